"""Results: whole, in part, as a download, and however many there are."""

import gzip
import json
from uuid import UUID

import pytest
from sqlalchemy import event

from generation_service.api.query import ResultsFilter
from generation_service.api.streams import lot_pages
from generation_service.core.errors import ServiceError
from generation_service.core.limits import REQUEST_STATEMENT_SECONDS, RESULTS_PAGE_MISSING
from generation_service.db import jobs
from tests.integration.api_service import serving


@pytest.fixture
def service(engine):
    with serving(engine) as service:
        yield service


def results(service, job_id, query=""):
    answer = service.ask("/batch-results/{job_id}" + query, job_id)
    assert answer.status_code == 200, answer.text
    return answer.json["results"]


def lot_ids(service, job_id, query=""):
    return [lot["lot_id"] for lot in results(service, job_id, query)["lots"]]


def test_before_the_end_it_is_a_202(service):
    job_id = service.job()
    for path in ("/batch-results/{job_id}", "/batch-results/{job_id}/download"):
        answer = service.ask(path, job_id)
        assert answer.status_code == 202
        assert answer.json == {
            "error": "Job not completed",
            "code": "job_not_completed",
            "status": "pending",
            "message": "Job is currently pending. "
            "Results will be available when status is 'completed'.",
        }


def test_a_completed_job_is_answered_whole(service):
    job_id = service.job(2, languages=["de", "en"])
    service.settle(job_id, failed=1)
    document = service.ask("/batch-results/{job_id}", job_id).json
    assert document.pop("completed_at").endswith("Z")
    refused = {"code": "openai_refused", "message": "No."}
    assert document == {
        "job_id": job_id,
        "status": "completed",
        "results": {
            "version": "1.0.0",
            "total_lots": 2,
            "processed_lots": 2,
            "failed_lots": 1,
            "complete": True,
            "lots": [
                {
                    "lot_id": "lot-0",
                    "status": "failed",
                    "descriptions": [],
                    "missing_images": [],
                    "failed_languages": [
                        {"language": "de", "error": refused},
                        {"language": "en", "error": refused},
                    ],
                    "error": refused,
                },
                {
                    "lot_id": "lot-1",
                    "status": "completed",
                    "descriptions": [
                        {"language": "de", "damages": "<p>de ж lot-1</p>"},
                        {"language": "en", "damages": "<p>en ж lot-1</p>"},
                    ],
                    "missing_images": [],
                },
            ],
        },
    }


def test_metadata_comes_back(service):
    job_id = service.job(metadata={"order": "7"})
    service.settle(job_id)
    assert service.ask("/batch-results/{job_id}", job_id).json["metadata"] == {"order": "7"}


def test_a_cancelled_job_is_answered_with_what_it_has(service):
    job_id = service.job(3)
    service.settle(job_id, lots=1)
    service.ask("/batch-jobs/{job_id}/cancel", job_id, method="POST")
    found = results(service, job_id)
    assert found["complete"] is True
    assert [lot["status"] for lot in found["lots"]] == ["completed", "cancelled", "cancelled"]
    assert len(found["lots"][0]["descriptions"]) == 1


def test_partial_results_are_the_lots_settled_so_far(service):
    job_id = service.job(5)
    service.settle(job_id, lots=2)
    document = service.ask("/batch-results/{job_id}?partial=true", job_id).json
    assert (document["status"], document["completed_at"]) == ("translating", None)
    assert document["results"]["complete"] is False
    assert [lot["lot_id"] for lot in document["results"]["lots"]] == ["lot-0", "lot-1"]
    assert lot_ids(service, job_id, "?partial=true&offset=1") == ["lot-1"]


def test_results_may_be_narrowed(service):
    job_id = service.job(6)
    service.settle(job_id, failed=2)
    assert lot_ids(service, job_id, "?lot_id=lot-4") == ["lot-4"]
    assert lot_ids(service, job_id, "?lot_id=lot-9") == []
    assert lot_ids(service, job_id, "?status=failed") == ["lot-0", "lot-1"]
    assert lot_ids(service, job_id, "?limit=2&offset=3") == ["lot-3", "lot-4"]
    assert lot_ids(service, job_id, "?status=completed&limit=2&offset=1") == ["lot-3", "lot-4"]
    assert lot_ids(service, job_id, "?offset=6") == []


def test_a_wrong_query_is_a_400(service):
    answer = service.ask("/batch-results/{job_id}?limit=0&status=x&partial=7", service.job())
    assert answer.status_code == 400
    assert [detail["path"] for detail in answer.json["details"]] == ["partial", "status", "limit"]


@pytest.mark.parametrize("query", ["", "?status=completed", "?offset=499", "?limit=501"])
def test_many_lots_come_in_order_and_none_twice(service, query):
    job_id = service.job(1203)
    service.settle(job_id)
    first = 499 if "offset" in query else 0
    last = 501 if "limit" in query else 1203
    assert lot_ids(service, job_id, query) == [f"lot-{n}" for n in range(first, last)]


def test_lots_with_many_missing_photos_come_in_smaller_pages(service):
    job_id = service.job(700)
    service.settle(job_id)
    service.run("UPDATE batch_lots SET missing_images = array_fill(lot_id, ARRAY[100])")
    statements = []
    event.listen(service.engine, "before_cursor_execute", lambda *asked: statements.append(asked))
    lots = service.ask("/batch-results/{job_id}?limit=650", job_id).json["results"]["lots"]
    assert [lot["lot_id"] for lot in lots] == [f"lot-{number}" for number in range(650)]
    assert len(statements) >= 650 * 100 / RESULTS_PAGE_MISSING


def test_the_download_is_the_same_document_as_a_file(service):
    job_id = service.job(3)
    service.settle(job_id)
    download = service.ask("/batch-results/{job_id}/download", job_id)
    name = f'attachment; filename="batch_results_{job_id}.json"'
    assert download.headers["Content-Disposition"] == name
    assert download.mimetype == "application/json"
    assert download.json == service.ask("/batch-results/{job_id}", job_id).json


def test_results_are_packed_for_those_who_take_gzip(service):
    job_id = service.job(700)
    service.settle(job_id)
    plain = service.ask("/batch-results/{job_id}", job_id)
    packed = service.client.get(
        f"/api/v1/batch-results/{job_id}",
        headers={"X-Signature": plain.request.headers["X-Signature"], "Accept-Encoding": "gzip"},
    )
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 5
    assert json.loads(plain.data)["results"]["lots"]


def test_a_reader_who_leaves_holds_no_connection(service):
    job_id = service.job(3000)
    service.settle(job_id)
    answer = service.ask("/batch-results/{job_id}", job_id)
    next(answer.iter_encoded())
    assert service.engine.pool.checkedout() == 0
    answer.close()


def test_no_connection_is_held_between_two_pages(service):
    job_id = service.job(3000, metadata={"k": "v" * 500})
    service.settle(job_id)
    service.run("UPDATE descriptions SET damages = repeat('x', 600)")
    answer = service.ask("/batch-results/{job_id}", job_id)
    held = [service.engine.pool.checkedout() for _ in answer.iter_encoded()]
    assert len(held) > 3
    assert set(held) == {0}


def test_a_statement_that_takes_too_long_is_a_503(service):
    job_id = service.job()

    def shorten(_connection, _cursor, statement, parameters, _context, _many):
        return f"SET statement_timeout = '100ms'; {statement}", parameters

    with service.engine.begin() as blocker:
        [[limit]] = blocker.exec_driver_sql("SHOW statement_timeout")
        blocker.exec_driver_sql("LOCK TABLE batch_jobs")
        event.listen(service.engine, "before_cursor_execute", shorten, retval=True)
        answer = service.ask("/batch-status/{job_id}", job_id)
        event.remove(service.engine, "before_cursor_execute", shorten)
    assert limit == f"{REQUEST_STATEMENT_SECONDS}s"
    assert (answer.status_code, answer.json["error"]) == (503, "database_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert service.ask("/batch-status/{job_id}", job_id).status_code == 200


@pytest.mark.parametrize(("method", "path"), [("POST", "/retry"), ("DELETE", "")])
def test_an_answer_breaks_off_when_the_job_is_retried_or_deleted_meanwhile(service, method, path):
    job_id = service.job(1600)
    service.settle(job_id, failed=1)
    with service.engine.connect() as connection:
        job = jobs.get(connection, UUID(job_id))
    reading = lot_pages(service.engine, job, ResultsFilter())
    assert next(reading).startswith(b'{"lot_id":"lot-0",')
    service.ask("/batch-jobs/{job_id}" + path, job_id, method=method)
    with pytest.raises(ServiceError):
        list(reading)

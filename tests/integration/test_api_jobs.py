"""Following, listing, cancelling, retrying and deleting jobs."""

import re
from uuid import uuid4

import pytest

from tests.integration.api_service import OTHER_KEY, serving

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
JOB_PATHS = [
    ("GET", "/batch-status/{job_id}"),
    ("GET", "/batch-results/{job_id}"),
    ("GET", "/batch-results/{job_id}/download"),
    ("POST", "/batch-jobs/{job_id}/cancel"),
    ("POST", "/batch-jobs/{job_id}/retry"),
    ("DELETE", "/batch-jobs/{job_id}"),
    ("GET", "/batch-jobs/{job_id}/deliveries"),
]


@pytest.fixture
def service(engine):
    with serving(engine) as service:
        yield service


def error(answer):
    return answer.status_code, answer.json["error"]


@pytest.mark.parametrize(("method", "path"), JOB_PATHS)
def test_a_wrong_signature_is_a_401_whether_or_not_the_job_exists(service, method, path):
    for job_id in (service.job(), str(uuid4()), "7"):
        answer = service.ask(path, job_id, method=method, key=OTHER_KEY)
        assert error(answer) == (401, "invalid_signature")


@pytest.mark.parametrize(("method", "path"), JOB_PATHS)
def test_no_such_job_is_a_404(service, method, path):
    for job_id in (str(uuid4()), "7", "x" * 36):
        assert error(service.ask(path, job_id, method=method)) == (404, "not_found")


@pytest.mark.parametrize(("method", "path"), JOB_PATHS)
def test_a_job_of_another_client_is_a_404(service, method, path):
    job_id = service.job()
    service.run("UPDATE batch_jobs SET client = 'acme'")
    assert error(service.ask(path, job_id, method=method)) == (404, "not_found")


def test_the_status_of_a_new_job(service):
    job_id = service.job(2, languages=["de", "en"], metadata={"order": "7"})
    answer = service.ask("/batch-status/{job_id}", job_id)
    document = answer.json
    assert all(TIME.fullmatch(document.pop(name)) for name in ("created_at", "updated_at"))
    assert document["usage"].pop("estimated_cost_usd") > 0
    assert answer.status_code == 200
    assert document == {
        "job_id": job_id,
        "status": "pending",
        "usage": {
            "prompt_tokens": 0,
            "cached_tokens": 0,
            "completion_tokens": 0,
            "cost_usd": 0.0,
        },
        "run": 1,
        "progress": {
            "total_lots": 2,
            "processed_lots": 0,
            "failed_lots": 0,
            "completion_percentage": 0.0,
        },
        "stages": {
            "images": {"total": 2, "completed": 0, "failed": 0},
            "vision": {"total": 2, "completed": 0, "failed": 0},
            "translation": {"total": 2, "completed": 0, "failed": 0},
        },
        "languages": ["de", "en"],
        "error_message": None,
        "openai_vision_batch_id": None,
        "openai_translation_batch_id": None,
        "openai_batches": [],
        "metadata": {"order": "7"},
    }


def test_the_status_counts_settled_lots(service):
    job_id = service.job(3)
    service.settle(job_id, lots=2, failed=1)
    document = service.ask("/batch-status/{job_id}", job_id).json
    assert document["progress"] == {
        "total_lots": 3,
        "processed_lots": 2,
        "failed_lots": 1,
        "completion_percentage": 66.7,
    }


def test_100_percent_is_kept_for_jobs_that_have_ended(service):
    job_id = service.job(3)
    service.run("UPDATE batch_jobs SET lots_total = 5000, lots_settled = 4999")
    assert percentage(service, job_id) == 99.9
    service.run("UPDATE batch_jobs SET lots_settled = 5000, status = 'completed'")
    assert percentage(service, job_id) == 100.0


def percentage(service, job_id):
    document = service.ask("/batch-status/{job_id}", job_id).json
    return document["progress"]["completion_percentage"]


def test_the_status_names_the_newest_openai_batch_of_each_kind(service):
    job_id = service.job()
    for kind, openai_id in [("vision", "batch_1"), ("vision", "batch_2"), ("translation", None)]:
        service.run(ADD_OPENAI_BATCH, id=uuid4(), job=job_id, kind=kind, openai_id=openai_id)
    document = service.ask("/batch-status/{job_id}", job_id).json
    assert document["openai_vision_batch_id"] == "batch_2"
    assert document["openai_translation_batch_id"] is None
    batches = document["openai_batches"]
    assert [batch["id"] for batch in batches] == [None, "batch_2", "batch_1"]
    assert TIME.fullmatch(batches[0].pop("created_at"))
    assert batches[0] == {
        "id": None,
        "kind": "translation",
        "status": "building",
        "requests": 5,
        "completed": 3,
        "failed": 1,
    }


ADD_OPENAI_BATCH = """
    WITH added AS (
        INSERT INTO openai_batches (id, kind, model, status, openai_id)
        VALUES (:id, :kind, 'gpt', 'building', :openai_id) RETURNING id
    )
    INSERT INTO job_openai_batches (job_id, openai_batch, requests, completed, failed)
    SELECT :job, id, 5, 3, 1 FROM added
"""


def test_a_job_is_cancelled_once(service):
    job_id = service.job(3)
    answer = service.ask("/batch-jobs/{job_id}/cancel", job_id, method="POST")
    assert answer.status_code == 200
    assert answer.json == {
        "job_id": job_id,
        "status": "cancelled",
        "message": "Job successfully cancelled",
    }
    assert percentage(service, job_id) == 100.0
    again = service.ask("/batch-jobs/{job_id}/cancel", job_id, method="POST")
    assert again.status_code == 400
    assert again.json["status"] == "cancelled"


def test_a_job_that_has_ended_cannot_be_cancelled(service):
    job_id = service.job()
    service.settle(job_id)
    answer = service.ask("/batch-jobs/{job_id}/cancel", job_id, method="POST")
    assert answer.status_code == 400
    assert answer.json == {
        "error": "Job cannot be cancelled",
        "code": "job_not_cancellable",
        "status": "completed",
        "message": "Only pending, processing, or translating jobs can be cancelled. "
        "Current status: completed",
    }


def retry(service, job_id):
    return service.ask("/batch-jobs/{job_id}/retry", job_id, method="POST")


def delete(service, job_id):
    return service.ask("/batch-jobs/{job_id}", job_id, method="DELETE")


def failed_job(service):
    """A job of three lots, one of which was refused."""
    job_id = service.job(3)
    service.settle(job_id, failed=1)
    return job_id


def test_a_retry_begins_a_new_run_with_what_failed(service):
    job_id = failed_job(service)
    answer = retry(service, job_id)
    document = answer.json
    assert TIME.fullmatch(document.pop("estimated_completion"))
    assert (answer.status_code, document) == (
        202,
        {
            "job_id": job_id,
            "status": "processing",
            "run": 2,
            "retried_lots": 1,
            "total_lots": 3,
        },
    )
    status = service.ask("/batch-status/{job_id}", job_id).json
    assert (status["run"], status["progress"]["processed_lots"]) == (2, 2)
    assert service.ask("/batch-results/{job_id}", job_id).status_code == 202
    partial = service.ask("/batch-results/{job_id}?partial=true", job_id).json
    assert (partial["results"]["complete"], partial["completed_at"]) == (False, None)
    assert [lot["status"] for lot in partial["results"]["lots"]] == ["completed"] * 2


def test_a_job_under_way_is_not_retried(service):
    job_id = failed_job(service)
    retry(service, job_id)
    answer = retry(service, job_id)
    assert answer.status_code == 400
    assert answer.json == {
        "error": "job_not_retryable",
        "message": "The job is processing; retry what failed of it once it has ended.",
        "status": "processing",
    }


def test_a_retry_counts_as_polling(service):
    job_id = failed_job(service)
    limit = "SELECT key, hits FROM rate_limit_windows"
    before = dict(tuple(row) for row in service.run(limit))
    retry(service, job_id)
    after = dict(tuple(row) for row in service.run(limit))
    assert after == before | {"polling:default": before.get("polling:default", 0) + 1}


def test_a_deleted_job_is_gone(service):
    job_id = failed_job(service)
    answer = delete(service, job_id)
    assert (answer.status_code, answer.data) == (204, b"")
    for method, path in JOB_PATHS:
        assert error(service.ask(path, job_id, method=method)) == (404, "not_found")
    listed = service.target("/batch-jobs").json
    assert (listed["jobs"], listed["pagination"]["total"]) == ([], 0)


def test_a_job_under_way_is_not_deleted(service):
    answer = delete(service, service.job())
    assert answer.status_code == 409
    assert answer.json == {
        "error": "job_not_ended",
        "message": "The job is pending; cancel it, or wait for its end.",
        "status": "pending",
    }

"""Lists of jobs and deliveries, and paths that lead nowhere."""

import re
from uuid import uuid4

import pytest

from tests.integration.api_service import KEY, OTHER_KEY, serving

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture
def service(engine):
    with serving(engine) as service:
        yield service


def error(answer):
    return answer.status_code, answer.json["error"]


def test_jobs_are_listed_newest_first_and_all_counted(service):
    jobs = [service.job() for _ in range(3)]
    document = service.target("/batch-jobs?limit=2").json
    assert [job["id"] for job in document["jobs"]] == [jobs[2], jobs[1]]
    assert document["pagination"] == {"limit": 2, "offset": 0, "total": 3}
    rest = service.target("/batch-jobs?limit=2&offset=2").json
    assert [job["id"] for job in rest["jobs"]] == [jobs[0]]


def test_a_listed_job_is_as_documented(service):
    job_id = service.job(2, languages=["en", "fr"])
    [listed] = service.target("/batch-jobs").json["jobs"]
    assert all(TIME.fullmatch(listed.pop(name)) for name in ("created_at", "updated_at"))
    assert listed == {
        "id": job_id,
        "status": "pending",
        "total_lots": 2,
        "processed_lots": 0,
        "languages": ["en", "fr"],
        "progress": {
            "total_lots": 2,
            "processed_lots": 0,
            "failed_lots": 0,
            "completion_percentage": 0.0,
        },
    }


def test_jobs_are_listed_by_status_and_client(service):
    done, other = service.job(), service.job()
    service.settle(done)
    service.run("UPDATE batch_jobs SET client = 'acme' WHERE id = :id", id=other)
    assert service.target("/batch-jobs?status=completed").json["pagination"]["total"] == 1
    assert service.target("/batch-jobs?status=pending").json["jobs"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "offset=-1", "status=accepted"])
def test_a_wrong_query_is_a_400(service, query):
    answer = service.target("/batch-jobs?" + query)
    assert error(answer) == (400, "invalid_request")
    assert answer.json["details"][0]["path"] == query.partition("=")[0]


def test_the_list_is_signed(service):
    assert error(service.target("/batch-jobs?limit=0", OTHER_KEY)) == (401, "invalid_signature")
    assert error(service.client.get("/api/v1/batch-jobs")) == (401, "invalid_signature")


def test_deliveries_are_listed_with_their_attempts(service):
    job_id = service.job()
    service.run(ADD_DELIVERY, id=uuid4(), job=job_id)
    answer = service.ask("/batch-jobs/{job_id}/deliveries?limit=5", job_id)
    assert answer.json["pagination"] == {"limit": 5, "offset": 0, "total": 1}
    [delivery] = answer.json["deliveries"]
    assert delivery["webhook_url"] == "https://example.com/hook"
    assert delivery["error_message"] == "the receiver answered 500"
    assert delivery["attempts"] == [
        {
            "attempt": 1,
            "at": "2025-08-05T07:30:00Z",
            "status_code": 500,
            "duration_ms": 412,
            "error": None,
            "response": "no",
        }
    ]
    assert delivery.keys() == DELIVERY_FIELDS


DELIVERY_FIELDS = {
    "delivery_id",
    "webhook_url",
    "status",
    "run",
    "part",
    "parts",
    "attempt_count",
    "last_attempt_at",
    "next_attempt_at",
    "delivered_at",
    "error_message",
    "attempts",
}
ADD_DELIVERY = """
    WITH added AS (
        INSERT INTO webhook_deliveries (id, batch_job_id, client, run, webhook_url, host, part,
            parts, first_position, last_position, attempt_count, error_message)
        VALUES (:id, :job, 'default', 1, 'https://example.com/hook', 'example.com:443', 1, 1, 0, 1,
            1, 'the receiver answered 500')
        RETURNING id
    )
    INSERT INTO webhook_attempts (delivery_id, attempt, at, status_code, duration_ms, response)
    SELECT id, 1, '2025-08-05T07:30:00Z', 500, 412, 'no' FROM added
"""


@pytest.mark.parametrize("path", ["/", "/api/v1", "/api/v1/batch-jobs/", "//health", "/api/v2/x"])
def test_an_unknown_path_is_a_json_404(service, path):
    assert error(service.client.get(path)) == (404, "not_found")


@pytest.mark.parametrize("path", ["/api/v1/generate-descriptions", "/api/v1/test-image-validation"])
def test_a_wrong_method_is_a_json_405(service, path):
    answer = service.client.get(path)
    assert error(answer) == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}


def test_the_bare_hex_of_a_signature_will_do(service):
    assert service.target("/batch-jobs", KEY).status_code == 200

"""Several clients on one service: keys, names, and that nobody sees another's jobs."""

import pytest

from tests.integration.api_service import GENERATE, KEY, OTHER_KEY, serving
from tests.integration.signed_routes import signed_routes

ACME, ACME_OLD = "a" * 32, "b" * 32
CLIENTS = {"acme": (ACME, ACME_OLD), "beta": ("c" * 32,)}


@pytest.fixture
def service(engine):
    with serving(engine, client_keys=CLIENTS) as service:
        yield service


def job(service, key, number=1):
    """The id of a job of two lots, ordered with the key."""
    lots = [service.lot(number), service.lot(number + 1)]
    answer = service.client.post(GENERATE, json=service.signed(lots, key))
    assert answer.status_code == 201, answer.text
    return answer.json["job_id"]


def listed(service, key):
    document = service.target("/batch-jobs", key).json
    return [entry["id"] for entry in document["jobs"]], document["pagination"]["total"]


def test_each_client_lists_and_counts_its_own_jobs(service):
    ours, theirs = job(service, KEY), job(service, ACME)
    assert listed(service, KEY) == ([ours], 1)
    assert listed(service, ACME) == ([theirs], 1)
    assert listed(service, CLIENTS["beta"][0]) == ([], 0)


def test_the_same_order_of_two_clients_is_two_jobs(service):
    assert job(service, KEY, 1) != job(service, ACME, 1)


def test_two_keys_of_a_client_are_one_client(service):
    first, second = job(service, ACME, 1), job(service, ACME_OLD, 3)
    assert listed(service, ACME) == listed(service, ACME_OLD) == ([second, first], 2)
    assert service.ask("/batch-status/{job_id}", first, key=ACME_OLD).status_code == 200


def test_on_every_route_another_clients_job_is_a_404_like_one_that_does_not_exist(service):
    job_id = job(service, ACME)
    service.settle(job_id)
    about_the_job = [
        request for request in signed_routes(service.app, job_id) if job_id in request.target
    ]
    assert len(about_the_job) >= 5
    for request in about_the_job:
        for ask in (request.by_scheme_1, request.by_scheme_2):
            answer = ask(service, KEY)
            assert (answer.status_code, answer.json["error"]) == (404, "not_found"), request
    assert listed(service, ACME) == ([job_id], 1)


def test_another_clients_job_stays_as_it_was(service):
    job_id = job(service, ACME)
    for request in signed_routes(service.app, job_id):
        if request.method != "GET" and job_id in request.target:
            request.by_scheme_2(service, KEY)
    assert service.ask("/batch-status/{job_id}", job_id, key=ACME).json["status"] == "pending"


def test_the_client_may_name_itself(service):
    job_id = job(service, ACME)
    for request in signed_routes(service.app, job_id):
        named = request.signed(ACME) | {"X-Client": "beta"}
        assert request.send(service, named).status_code == request.refusal[0], request
        named = request.signed(ACME) | {"X-Client": "acme"}
        assert request.send(service, named).status_code not in (401, 403), request


def test_an_unknown_key_or_name_is_nobodys(service):
    assert service.target("/batch-jobs", OTHER_KEY).status_code == 401
    headers = {"X-Client": "nobody"}
    assert service.client.get("/api/v1/batch-jobs", headers=headers).status_code == 401

"""How often clients may ask, and how often addresses may fail to sign."""

import time
from ipaddress import ip_network
from threading import Event, Thread
from uuid import uuid4

import pytest

from tests.integration.api_service import GENERATE, KEY, OTHER_KEY, PNG, serving
from tests.integration.signed_routes import Request, signed_routes
from tests.servers import Reply
from tests.waiting import until

ACME = "a" * 32
LOCAL = (ip_network("127.0.0.1"),)
LIST = Request("GET", "/api/v1/batch-jobs", "-")


@pytest.fixture(autouse=True)
def _one_window():
    """Neither minute nor hour ends during a test."""
    until(lambda: time.time() % 60 < 55, what="the minute has some seconds left")


@pytest.fixture
def limited(engine):
    """A service at the limits' lower end: two polling requests, two bad signatures."""
    with serving(
        engine,
        client_keys={"acme": (ACME,)},
        rate_limit_polling=2,
        rate_limit_bad_signatures=2,
        trusted_proxies=LOCAL,
    ) as service:
        yield service


def error(answer):
    return answer.status_code, answer.json["error"]


def limits(answer):
    """Limit and what remains of it, after the rest of the headers was checked."""
    assert 0 < int(answer.headers["RateLimit-Reset"]) <= 3600
    assert ("Retry-After" in answer.headers) == (answer.status_code == 429)
    return int(answer.headers["RateLimit-Limit"]), int(answer.headers["RateLimit-Remaining"])


def test_answers_tell_what_remains_and_then_when_to_go_on(limited):
    assert limits(limited.target("/batch-jobs")) == (2, 1)
    assert limits(limited.target("/batch-jobs")) == (2, 0)
    refused = limited.target("/batch-jobs")
    assert error(refused) == (429, "rate_limited")
    assert limits(refused) == (2, 0)
    assert refused.headers["Retry-After"] == refused.headers["RateLimit-Reset"]


def test_clients_have_limits_of_their_own(limited):
    for _ in range(3):
        limited.target("/batch-jobs")
    assert limits(limited.target("/batch-jobs", ACME)) == (2, 1)


def test_a_job_that_does_not_exist_and_a_wrong_query_count_as_polling(limited):
    assert error(limited.ask("/batch-status/{job_id}", str(uuid4()))) == (404, "not_found")
    answer = limited.target("/batch-jobs?limit=0")
    assert error(answer) == (400, "invalid_request")
    assert limits(answer) == (2, 0)


def test_beyond_the_limit_every_signed_route_but_orders_is_refused(limited):
    job_id = limited.job()
    for _ in range(2):
        limited.target("/batch-jobs")
    for request in signed_routes(limited.app, job_id):
        if request.target != GENERATE:
            assert error(request.by_scheme_2(limited)) == (429, "rate_limited"), request
    [(status, run)] = limited.run("SELECT status, run FROM batch_jobs")
    assert (status, run) == ("pending", 1)


def test_orders_have_limits_of_their_own(limited):
    for _ in range(3):
        limited.target("/batch-jobs")
    assert limits(limited.generate(limited.lot(1))) == (100, 99)
    assert limits(limited.generate(limited.lot(1), limited.lot(2))) == (20, 19)


def test_refused_orders_use_up_nothing(limited):
    assert limited.generate(limited.lot(), languages=["qq-QQ"]).status_code == 400
    assert limited.generate(limited.lot(), signature="0").status_code == 403
    assert limits(limited.generate(limited.lot(1))) == (100, 99)


def test_health_is_free(limited):
    for answer in [limited.client.get("/health") for _ in range(5)]:
        assert answer.status_code == 200
        assert not any(name.startswith("RateLimit") for name, _ in answer.headers)


def badly_signed(service, address="203.0.113.7"):
    headers = LIST.signed(OTHER_KEY) | {"X-Forwarded-For": address}
    return LIST.send(service, headers)


def test_beyond_its_limit_an_address_is_refused_only_what_is_badly_signed(limited):
    assert [badly_signed(limited).status_code for _ in range(4)] == [401, 401, 429, 429]
    order = limited.client.post(GENERATE, json={}, headers={"X-Forwarded-For": "203.0.113.7"})
    assert error(order) == (429, "rate_limited")
    well_signed = LIST.signed(KEY) | {"X-Forwarded-For": "203.0.113.7"}
    assert LIST.send(limited, well_signed).status_code == 200


def test_the_refusal_says_when_to_go_on(limited):
    for _ in range(2):
        badly_signed(limited)
    refused = badly_signed(limited)
    assert limits(refused) == (2, 0)
    assert 0 < int(refused.headers["Retry-After"]) <= 60


def test_other_addresses_are_not_refused(limited):
    for _ in range(3):
        badly_signed(limited, "2001:db8:1:2::3")
    assert badly_signed(limited, "2001:db8:1:2::4").status_code == 429
    assert badly_signed(limited, "2001:db8:1:3::4").status_code == 401
    assert badly_signed(limited, "10.0.0.1, 198.51.100.1").status_code == 401


def test_nobody_is_believed_without_trusted_proxies(engine):
    with serving(engine, rate_limit_bad_signatures=1) as service:
        answers = [badly_signed(service, f"198.51.100.{n}").status_code for n in range(2)]
    assert answers == [401, 429]


def test_open_image_validation_is_limited_by_address(engine):
    with serving(engine, allow_unsigned_image_validation=True, rate_limit_polling=1) as service:
        asked = Request("POST", "/api/v1/test-image-validation", "-", b'{"urls": ["x"]}')
        assert asked.send(service, {}).status_code == 200
        assert error(asked.send(service, {})) == (429, "rate_limited")
        assert limits(service.target("/batch-jobs")) == (1, 0)


def test_polling_goes_on_when_all_slots_for_single_lots_are_taken(engine):
    with serving(engine, max_sync_per_process=1) as service:
        held = Event()
        service.outside.replies["/photo.png"] = Reply(body=PNG.body, held=held)
        first = Thread(target=service.generate, args=[service.lot(1)])
        first.start()
        until(lambda: service.outside.hits("/photo.png"), what="the first lot holds the slot")
        busy = service.generate(service.lot(2))
        polled = service.target("/batch-jobs")
        held.set()
        first.join()
    assert error(busy) == (503, "busy")
    assert limits(polled)[0] == 1000

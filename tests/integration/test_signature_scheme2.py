"""Scheme 2 on every endpoint, and what becomes of captured requests."""

import gzip
import json
import time

import pytest
from sqlalchemy import event

from generation_service.api.database import DatabaseClock
from generation_service.core.signatures import request_message, sign
from tests.integration.api_service import GENERATE, KEY, OTHER_KEY, serving
from tests.integration.signed_routes import Request, signed_routes

UNSIGNED = {401, 403}


@pytest.fixture
def service(engine):
    with serving(engine, rate_limit_bad_signatures=1_000) as service:
        yield service


def error(answer):
    return answer.status_code, answer.json["error"]


def header(target, body, *, method="POST", age=0):
    then = int(time.time()) - age
    message = request_message(then, method, target.encode(), body)
    return {"X-Signature": f"t={then},v2={sign(KEY, message)}"}


def test_it_is_taken_on_every_endpoint(service):
    job_id = service.job()
    for request in signed_routes(service.app, job_id):
        assert request.by_scheme_2(service).status_code not in UNSIGNED, request


def test_another_key_is_refused_on_every_endpoint(service):
    for request in signed_routes(service.app):
        assert error(request.by_scheme_2(service, OTHER_KEY)) == request.refusal, request


@pytest.mark.parametrize("age", [301, -310])
def test_a_captured_request_is_refused_after_301_seconds_on_every_endpoint(service, age):
    for request in signed_routes(service.app):
        assert error(request.send(service, request.signed(age=age))) == request.refusal, request


def test_a_captured_request_is_refused_when_anything_is_changed_on_every_endpoint(service):
    for request in signed_routes(service.app):
        for changed in request.changed():
            answer = changed.send(service, request.signed())
            assert answer.status_code == request.refusal[0], changed


def test_a_body_that_nobody_reads_is_a_small_one(service):
    """Whoever has no key makes the service hold none of it."""
    for method, path in (
        ("GET", "/api/v1/batch-jobs"),
        ("POST", "/api/v1/webhook-endpoints/x/test"),
    ):
        answer = service.client.open(
            path, method=method, data=b"x" * 70_000, headers={"X-Signature": "t=1,v2=" + "0" * 64}
        )
        assert error(answer) == (413, "request_too_large"), path
    answer = service.client.post("/api/v1/test-image-validation", data=b" " * 5_000_000)
    assert error(answer) == (413, "request_too_large")


def test_scheme_1_can_be_turned_off_on_every_endpoint(engine):
    with serving(engine, accept_v1_signatures=False) as service:
        for request in signed_routes(service.app):
            assert error(request.by_scheme_1(service)) == request.refusal, request
            assert request.by_scheme_2(service).status_code not in UNSIGNED, request


def order(service):
    body = {"version": "1.0.0", "languages": ["en"], "lots": [service.lot(1), service.lot(2)]}
    return json.dumps(body, indent=1, ensure_ascii=False).encode()


def test_an_order_needs_no_signature_in_its_body(service):
    body = order(service)
    answer = service.client.post(GENERATE, data=body, headers=header(GENERATE, body))
    assert answer.status_code == 201
    assert service.target("/batch-jobs").json["pagination"]["total"] == 1


def test_a_packed_order_is_signed_as_it_is_sent(service):
    body = order(service)
    packed = gzip.compress(body)
    encoding = {"Content-Encoding": "gzip"}
    plain = service.client.post(GENERATE, data=packed, headers=header(GENERATE, body) | encoding)
    assert error(plain) == (403, "invalid_body_signature")
    answer = service.client.post(GENERATE, data=packed, headers=header(GENERATE, packed) | encoding)
    assert answer.status_code == 201


def test_an_order_with_one_changed_byte_leaves_nothing(service):
    body = order(service)
    changed = body.replace(b"lot-2", b"lot-3")
    answer = service.client.post(GENERATE, data=changed, headers=header(GENERATE, body))
    assert error(answer) == (403, "invalid_body_signature")
    assert service.rows("batch_jobs") == 0


def test_json_comes_before_the_signature(service):
    answer = service.client.post(GENERATE, data=b"{", headers=header(GENERATE, b"{"))
    assert error(answer) == (400, "invalid_json")


def test_the_database_is_asked_for_the_time_only_now_and_then(engine):
    statements = []
    event.listen(engine, "before_cursor_execute", lambda *event: statements.append(event[2]))
    clock = DatabaseClock(engine)
    times = [clock.now() for _ in range(10)]
    assert sum("now()" in statement for statement in statements) == 1
    assert times == sorted(times)
    assert abs(times[0] - time.time()) < 5


def test_the_clock_is_asked_only_for_requests_of_ours(service):
    statements = []
    event.listen(
        service.engine, "before_cursor_execute", lambda *event: statements.append(event[2])
    )
    asked = Request("GET", "/api/v1/batch-jobs", "-")
    asked.by_scheme_2(service, OTHER_KEY)
    assert not any("SELECT now()" in statement for statement in statements)
    assert asked.by_scheme_2(service).status_code == 200

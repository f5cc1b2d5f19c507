"""Signatures of scheme 2 (docs/api.md §2): of the whole request, for five minutes."""

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from generation_service.api.guards import Guards, Sender
from generation_service.core.errors import ServiceError
from generation_service.core.signatures import request_message, sign

KEY = "0123456789abcdef0123456789abcdef"
KEYS = {"default": (KEY,), "acme": ("a" * 32, "b" * 32)}
JOB = "550e8400-e29b-41d4-a716-446655440000"
NOW = 1_754_381_700
ORDER = b'{"lots": [1.5]}'
TARGET = "/api/v1/batch-jobs?status=processing&limit=20"


def made(*, accept_v1=True, now=NOW, bad=None):
    return Guards(
        keys=KEYS,
        accept_v1=accept_v1,
        trusted_proxies=(),
        poll=lambda _client: None,
        count_bad=[].append if bad is None else bad.append,
        read_body=Request.get_data,
        now=lambda: now,
    )


def header(target=TARGET, body=b"", *, method="GET", time=NOW, key=KEY):
    message = request_message(time, method, target.encode(), body)
    return f"t={time},v2={sign(key, message)}"


def request(signature, target=TARGET, body=b"", *, method="GET", headers=()):
    named = [("X-Signature", signature), *headers]
    environ = EnvironBuilder(target, method=method, data=body, headers=named).get_environ()
    return Request(environ | {"RAW_URI": target, "REMOTE_ADDR": "203.0.113.7"})


def refused(status, guard, *arguments, **more):
    with pytest.raises(ServiceError) as caught:
        guard(*arguments, **more)
    return caught.value.http_status == status


def ordered(
    guards,
    signature=None,
    target="/api/v1/generate-descriptions",
    sent=ORDER,
    method="POST",
):
    """Who sent the body, in two pieces."""
    asked = request(signature or header(target, ORDER, method="POST"), target, method=method)
    judged = guards.body_signature(asked)
    judged.sent(sent[:3])
    judged.sent(sent[3:])
    judged.signed(b"[1.5]")
    judged.presented = sign(KEY, b"[1.5]")
    return guards.body_client(asked, judged, "lots")


@pytest.mark.parametrize("accept_v1", [True, False])
def test_the_whole_request_is_signed(accept_v1):
    signature = header("/api/v1/generate-descriptions", ORDER, method="POST")
    sender = ordered(made(accept_v1=accept_v1), signature)
    assert sender == Sender("default", signature.partition("v2=")[2])


def test_a_job_and_a_list_are_asked_for():
    target = f"/api/v1/batch-status/{JOB}"
    assert made().job_client(request(header(target), target), JOB)[0] == "default"
    assert made().target_client(request(header())) == "default"


@pytest.mark.parametrize("key", KEYS["acme"])
def test_any_key_of_a_client_will_do(key):
    assert made().target_client(request(header(key=key))) == "acme"
    named = request(header(key=key), headers=[("X-Client", "acme")])
    assert made().target_client(named) == "acme"
    other = request(header(key=key), headers=[("X-Client", "default")])
    assert refused(401, made().target_client, other)


@pytest.mark.parametrize(
    "changes",
    [
        {"target": "/api/v1/estimate"},
        {"target": "/api/v1/generate-descriptions?"},
        {"target": "/api/v1/generate-descriptions?x=1"},
        {"method": "GET"},
        {"sent": ORDER.replace(b"1", b"2")},
        {"sent": ORDER + b" "},
        {"sent": b""},
    ],
)
def test_an_order_changed_in_any_part_is_a_403(changes):
    captured = header("/api/v1/generate-descriptions", ORDER, method="POST")
    bad: list[str] = []
    assert refused(403, ordered, made(bad=bad), captured, **changes)
    assert bad == ["203.0.113.7"]


@pytest.mark.parametrize(
    "changed",
    [
        request(header(), "/api/v1/batch-jobs?limit=20&status=processing"),
        request(header(), "/api/v1/batch-jobs"),
        request(header(), method="HEAD"),
        request(header(), body=b"{}"),
        request(header(method="POST"), body=b"[]", method="POST"),
        request(header().replace(f"t={NOW}", f"t={NOW + 1}")),
        request(header(key="c" * 32)),
    ],
)
def test_another_request_changed_in_any_part_is_a_401(changed):
    bad: list[str] = []
    assert refused(401, made(bad=bad).target_client, changed)
    assert bad == ["203.0.113.7"]


@pytest.mark.parametrize("age", [-300, -299.5, 0, 299.9, 300])
def test_a_signature_is_good_for_300_seconds_of_the_clock(age):
    assert made(now=NOW + age).target_client(request(header())) == "default"


@pytest.mark.parametrize("age", [-301, -300.5, 300.1, 301, 10**9])
def test_a_captured_request_is_refused_after_301_seconds(age):
    assert refused(401, made(now=NOW + age).target_client, request(header()))
    assert refused(403, ordered, made(now=NOW + age))


def test_a_bad_signature_of_scheme_2_is_not_saved_by_a_good_one_of_scheme_1():
    assert refused(403, ordered, made(), "t=1,v2=00")


def test_a_body_where_none_is_read_is_signed_too():
    target = f"/api/v1/batch-jobs/{JOB}/cancel"
    signature = header(target, b"{}", method="POST")
    asked = request(signature, target, b"{}", method="POST")
    assert made().job_client(asked, JOB)[0] == "default"
    changed = request(signature, target, b"[]", method="POST")
    assert refused(401, made().job_client, changed, JOB)


def test_the_end_of_a_query_cannot_be_passed_off_as_a_body():
    captured = header("/api/v1/batch-jobs?limit=1.5")
    assert made().target_client(request(captured, "/api/v1/batch-jobs?limit=1.5"))
    assert refused(
        401, made().target_client, request(captured, "/api/v1/batch-jobs?limit=1", b"5.")
    )

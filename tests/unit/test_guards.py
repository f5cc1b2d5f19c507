"""Signatures on requests (docs/api.md §2), as they come in."""

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from generation_service.api.guards import body_client, job_client, own_job, target_client
from generation_service.core.errors import ServiceError
from generation_service.core.signatures import canonical_json, sign

KEY = "0123456789abcdef0123456789abcdef"
KEYS = {"default": (KEY,), "acme": ("a" * 32, "b" * 32)}
JOB = "550e8400-e29b-41d4-a716-446655440000"
LOTS = [{"lot_id": "лот", "images": [{"url": "https://example.com/a.jpg", "alt": "x"}]}]


def request(target="/", signature=None, raw=None):
    headers = [("X-Signature", signature)] if signature else []
    environ = EnvironBuilder(target, headers=headers).get_environ()
    environ["RAW_URI"] = raw or target
    return Request(environ)


def refused(status, guard, *arguments):
    with pytest.raises(ServiceError) as caught:
        guard(*arguments)
    return caught.value.http_status == status


@pytest.mark.parametrize("prefix", ["", "sha256="])
def test_lots_are_signed_in_the_body_with_all_their_fields(prefix):
    signature = prefix + sign(KEY, canonical_json(LOTS))
    assert body_client(KEYS, {"lots": LOTS, "signature": signature}, "lots") == "default"


@pytest.mark.parametrize("signature", [None, 7, "", "sha256=", "é", ["x"], sign(KEY, b"[]")])
def test_a_missing_or_wrong_signature_in_the_body_is_a_403(signature):
    assert refused(403, body_client, KEYS, {"lots": LOTS, "signature": signature}, "lots")
    assert refused(403, body_client, KEYS, {"lots": LOTS}, "lots")


def test_any_key_of_a_client_will_do():
    for key in KEYS["acme"]:
        signature = sign(key, canonical_json(LOTS))
        assert body_client(KEYS, {"lots": LOTS, "signature": signature}, "lots") == "acme"


def test_a_job_id_is_signed_in_the_header():
    client, job_id = job_client(KEYS, request(signature="sha256=" + sign(KEY, JOB.encode())), JOB)
    assert (client, str(job_id)) == ("default", JOB)


def test_the_job_id_is_signed_as_it_stands_in_the_path():
    upper = JOB.upper()
    assert job_client(KEYS, request(signature=sign(KEY, upper.encode())), upper)
    assert refused(401, job_client, KEYS, request(signature=sign(KEY, JOB.encode())), upper)


@pytest.mark.parametrize("signature", [None, "sha256=00", "é", sign("c" * 32, JOB.encode())])
def test_a_missing_or_wrong_signature_in_the_header_is_a_401(signature):
    assert refused(401, job_client, KEYS, request(signature=signature), JOB)
    assert refused(401, target_client, KEYS, request(signature=signature))


@pytest.mark.parametrize("odd", ["7", "x", JOB[:-1], JOB.replace("-", ""), "{" + JOB + "}"])
def test_what_is_no_uuid_is_a_404_once_it_is_signed(odd):
    assert refused(404, job_client, KEYS, request(signature=sign(KEY, odd.encode())), odd)
    assert refused(401, job_client, KEYS, request(), odd)


def test_no_job_is_a_404():
    assert refused(404, own_job, None)


@pytest.mark.parametrize("query", ["?status=processing&limit=20", "?limit=20&status=%70", "", "?"])
def test_path_and_query_are_signed_exactly_as_sent(query):
    target = "/api/v1/batch-jobs" + query
    assert target_client(KEYS, request(target, sign(KEY, target.encode()))) == "default"


def test_another_order_of_the_query_is_another_text():
    signature = sign(KEY, b"/api/v1/batch-jobs?a=1&b=2")
    assert refused(401, target_client, KEYS, request("/api/v1/batch-jobs?b=2&a=1", signature))


def test_a_proxy_may_have_sent_the_absolute_form():
    target = "/api/v1/batch-jobs?limit=5"
    absolute = request(target, sign(KEY, target.encode()), raw="http://service:5000" + target)
    assert target_client(KEYS, absolute) == "default"

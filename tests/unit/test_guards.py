"""Signatures of scheme 1 (docs/api.md §2), as they come in."""

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from generation_service.api.guards import Guards, Sender, own_job
from generation_service.core.errors import ServiceError
from generation_service.core.signatures import canonical_json, sign

KEY = "0123456789abcdef0123456789abcdef"
KEYS = {"default": (KEY,), "acme": ("a" * 32, "b" * 32)}
JOB = "550e8400-e29b-41d4-a716-446655440000"
LOTS = [{"lot_id": "лот", "images": [{"url": "https://example.com/a.jpg", "alt": "x"}]}]


@pytest.fixture
def polled():
    return []


@pytest.fixture
def bad():
    return []


@pytest.fixture
def guards(polled, bad):
    return made(polled, bad)


def made(polled, bad, *, accept_v1=True, count=None):
    return Guards(
        keys=KEYS,
        accept_v1=accept_v1,
        trusted_proxies=(),
        poll=polled.append,
        count_bad=count or bad.append,
        read_body=Request.get_data,
        now=lambda: 0.0,
    )


def request(target="/", signature=None, *, client=None, raw=None):
    named = {"X-Signature": signature, "X-Client": client}
    headers = [(name, value) for name, value in named.items() if value is not None]
    environ = EnvironBuilder(target, headers=headers).get_environ()
    environ |= {"RAW_URI": raw or target, "REMOTE_ADDR": "203.0.113.7"}
    return Request(environ)


def signature(lots=LOTS, key=KEY, prefix=""):
    return prefix + sign(key, canonical_json(lots))


def ordered(guards, presented, asked=None):
    """Who sent LOTS with the signature in their body."""
    asked = asked or request()
    judged = guards.body_signature(asked)
    judged.sent(b"whatever")
    for piece in (b"[", canonical_json(LOTS[0]), b"]"):
        judged.signed(piece)
    judged.presented = presented
    return guards.body_client(asked, judged, "lots")


def refused(status, guard, *arguments):
    with pytest.raises(ServiceError) as caught:
        guard(*arguments)
    return caught.value.http_status == status


@pytest.mark.parametrize("prefix", ["", "sha256="])
def test_lots_are_signed_in_the_body_with_all_their_fields(guards, prefix):
    assert ordered(guards, signature(prefix=prefix)) == Sender("default", None)


@pytest.mark.parametrize("presented", [None, 7, "", "sha256=", "é", ["x"], sign(KEY, b"[]")])
def test_a_missing_or_wrong_signature_in_the_body_is_a_403(guards, bad, presented):
    assert refused(403, ordered, guards, presented)
    assert bad == ["203.0.113.7"]


@pytest.mark.parametrize("key", KEYS["acme"])
def test_any_key_of_a_client_will_do(guards, key):
    assert ordered(guards, signature(key=key)).client == "acme"


def test_the_client_may_name_itself(guards):
    acme = signature(key="b" * 32)
    assert ordered(guards, acme, request(client="acme")).client == "acme"
    assert ordered(guards, acme, request(client="")).client == "acme"


@pytest.mark.parametrize("client", ["default", "nobody", "Acme", "\xe9", " acme,acme"])
def test_only_the_keys_of_the_client_that_is_named_are_tried(guards, client):
    assert refused(403, ordered, guards, signature(key="a" * 32), request(client=client))


def test_a_job_id_is_signed_in_the_header(guards, polled):
    asked = request(signature="sha256=" + sign(KEY, JOB.encode()))
    client, job_id = guards.job_client(asked, JOB)
    assert (client, str(job_id)) == ("default", JOB)
    assert polled == ["default"]


def test_the_job_id_is_signed_as_it_stands_in_the_path(guards):
    upper = JOB.upper()
    assert guards.job_client(request(signature=sign(KEY, upper.encode())), upper)
    assert refused(401, guards.job_client, request(signature=sign(KEY, JOB.encode())), upper)


@pytest.mark.parametrize("signature", [None, "sha256=00", "é", sign("c" * 32, JOB.encode())])
def test_a_missing_or_wrong_signature_in_the_header_is_a_401(guards, polled, bad, signature):
    assert refused(401, guards.job_client, request(signature=signature), JOB)
    assert refused(401, guards.target_client, request(signature=signature))
    assert (polled, bad) == ([], ["203.0.113.7"] * 2)


@pytest.mark.parametrize("odd", ["7", "x", JOB[:-1], JOB.replace("-", ""), "{" + JOB + "}"])
def test_what_is_no_uuid_is_a_404_once_it_is_signed(guards, polled, odd):
    assert refused(404, guards.job_client, request(signature=sign(KEY, odd.encode())), odd)
    assert polled == ["default"]
    assert refused(401, guards.job_client, request(), odd)


def test_no_job_is_a_404():
    assert refused(404, own_job, None)


@pytest.mark.parametrize("query", ["?status=processing&limit=20", "?limit=20&status=%70", "", "?"])
def test_path_and_query_are_signed_exactly_as_sent(guards, polled, query):
    target = "/api/v1/batch-jobs" + query
    assert guards.target_client(request(target, sign(KEY, target.encode()))) == "default"
    assert polled == ["default"]


def test_another_order_of_the_query_is_another_text(guards):
    signature = sign(KEY, b"/api/v1/batch-jobs?a=1&b=2")
    assert refused(401, guards.target_client, request("/api/v1/batch-jobs?b=2&a=1", signature))


def test_a_proxy_may_have_sent_the_absolute_form(guards):
    target = "/api/v1/batch-jobs?limit=5"
    absolute = request(target, sign(KEY, target.encode()), raw="http://service:5000" + target)
    assert guards.target_client(absolute) == "default"


def test_a_refusal_by_the_count_comes_first(polled):
    def full(_address):
        raise ServiceError("rate_limited", "Too many.")

    assert refused(429, made(polled, [], count=full).target_client, request())


def test_unsigned_requests_that_are_let_in_are_counted_by_address(guards, polled, bad):
    guards.anyone(request())
    assert (polled, bad) == (["address:203.0.113.7"], [])


def test_scheme_1_may_be_turned_off(polled, bad):
    strict = made(polled, bad, accept_v1=False)
    asked = request("/x", sign(KEY, b"/x"))
    assert refused(403, ordered, strict, signature())
    assert refused(401, strict.target_client, asked)
    assert refused(401, strict.job_client, request(signature=sign(KEY, JOB.encode())), JOB)
    assert (polled, bad) == ([], ["203.0.113.7"] * 3)

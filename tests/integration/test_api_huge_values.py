"""Huge values in a request are refused in few words, and quickly."""

import json
import time

import pytest

from generation_service.core.signatures import canonical_json, sign
from tests.integration.api_service import GENERATE, KEY, serving

HUGE = "x" * 5_000_000
LOT = {"lot_id": "a", "images": [{"url": "https://example.com/1.jpg"}]}
BODY = {"version": "1.0.0", "languages": ["en"], "lots": [LOT]}


@pytest.fixture
def service(engine):
    with serving(engine) as service:
        yield service


def sent(service, body, **headers):
    signed = {**body, "signature": sign(KEY, canonical_json(body["lots"]))}
    began = time.monotonic()
    answer = service.client.post(GENERATE, data=json.dumps(signed), headers=headers)
    assert time.monotonic() - began < 5
    assert len(answer.data) < 5_000
    return answer


@pytest.mark.parametrize(
    "body",
    [
        {**BODY, "version": HUGE},
        {**BODY, "languages": [HUGE]},
        {**BODY, "languages": ["en-" + "abcdefgh-" * 100_000]},
        {**BODY, "lots": [{**LOT, "lot_id": HUGE}]},
        {**BODY, "lots": [{**LOT, "additional_info": HUGE}]},
        {**BODY, "lots": [{**LOT, "images": [{"url": "https://example.com/" + HUGE}]}]},
        {**BODY, "lots": [{**LOT, "images": [HUGE]}]},
        {**BODY, "lots": [{**LOT, "webhook": "https://" + HUGE}, LOT]},
        {**BODY, "lots": [LOT, *([None] * 100_000)]},
        {**BODY, "languages": ["en"] * 100_000},
        {**BODY, "metadata": {HUGE: "x"}},
        {**BODY, "metadata": {str(n): "x" for n in range(100_000)}},
    ],
    ids=range(12),
)
def test_a_huge_value_is_a_short_400(service, body):
    assert sent(service, body).status_code == 400


def test_huge_values_that_nobody_reads_are_let_through(service):
    lot = service.lot(1, **{HUGE[:100_000]: [HUGE] * 3})
    assert sent(service, {**BODY, "lots": [lot], HUGE: HUGE}).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": ' + b"9" * 5_000 + b"}",
        b'{"a": 1e' + b"9" * 1_000_000 + b"}",
        b'{"a": 0.' + b"1" * 5_000_000 + b"e400}",
        b'{"' + b"k" * 5_000_000 + b'": 1, "' + b"k" * 5_000_000 + b'": 1}',
        b"[" * 1_000_000,
        b'{"a": ' * 200_000,
        b'{"a": "' + b"\\u0000" * 500_000 + b'"}',
    ],
    ids=["digits", "exponent", "fraction", "key twice", "lists", "objects", "NUL"],
)
def test_json_that_only_a_machine_would_write_is_a_short_400(service, text):
    began = time.monotonic()
    answer = service.client.post(GENERATE, data=text)
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_json")
    assert len(answer.data) < 1_000
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("name", ["Idempotency-Key", "X-Client", "X-Signature", "X-Request-Id"])
def test_a_huge_header_is_refused_or_ignored(service, name):
    answer = sent(service, {**BODY, "lots": [service.lot()]}, **{name: "h" * 60_000})
    assert answer.status_code in (200, 400, 403)
    assert len(answer.headers["X-Request-Id"]) <= 128

"""Signature headers, success and the schedule of webhook deliveries."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from generation_service.core.webhooks import (
    headers,
    is_delivered,
    is_gone,
    next_delay,
    parse_retry_after,
    safe_text,
    signer,
    standard_secret,
)

KEY = "0123456789abcdef0123456789abcdef"
BODY = '{"job_id":"1","note":"Повреждён 🚗"}'.encode()
NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
SCHEDULE = (0.0, 30.0, 60.0, 120.0, 240.0)
VECTORS = json.loads((Path(__file__).parents[2] / "docs" / "signature-vectors.json").read_bytes())[
    "webhooks"
]


SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"


def sent(timestamp: int = int(NOW.timestamp()), secret: str | None = None) -> dict[str, str]:
    return headers(
        body=BODY,
        signed_by=signer(KEY, secret),
        delivery_id="d-1",
        timestamp=timestamp,
        attempt=2,
    )


def test_the_services_own_signature_covers_the_bytes_sent():
    digest = hmac.new(KEY.encode(), BODY, hashlib.sha256).hexdigest()
    assert sent()["X-Signature"] == f"sha256={digest}"


def test_a_standard_webhooks_library_verifies_it():
    fresh = sent(timestamp=int(datetime.now(tz=UTC).timestamp()))
    assert Webhook(standard_secret(KEY)).verify(BODY, fresh) == json.loads(BODY)


def test_a_secret_of_its_own_signs_the_standard_header_and_no_other():
    fresh = sent(timestamp=int(datetime.now(tz=UTC).timestamp()), secret=SECRET)
    assert Webhook(SECRET).verify(BODY, fresh) == json.loads(BODY)
    assert fresh["X-Signature"] == sent()["X-Signature"]
    with pytest.raises(WebhookVerificationError):
        Webhook(standard_secret(KEY)).verify(BODY, fresh)


@pytest.mark.parametrize("vector", VECTORS)
def test_headers_are_as_published(vector):
    made = headers(
        body=vector["body"].encode(),
        signed_by=signer(vector["key"], None),
        delivery_id=vector["webhook-id"],
        timestamp=int(vector["webhook-timestamp"]),
        attempt=1,
    )
    names = ["X-Signature", "webhook-id", "webhook-timestamp", "webhook-signature"]
    assert {name: made[name] for name in names} == {name: vector[name] for name in names}
    assert standard_secret(vector["key"]) == vector["secret"]


def test_the_other_headers_are_plain():
    made = sent()
    assert made["Content-Type"] == "application/json"
    assert made["User-Agent"] == "Generation-Service/1.0"
    assert made["X-Webhook-Attempt"] == "2"


@pytest.mark.parametrize("status", [200, 201, 202])
def test_three_statuses_mean_delivered(status):
    assert is_delivered(status)


@pytest.mark.parametrize("status", [None, 100, 203, 204, 206, 301, 400, 410, 500])
def test_every_other_status_fails_the_attempt(status):
    assert not is_delivered(status)


def test_only_410_says_that_the_receiver_is_gone():
    assert [status for status in (None, 200, 404, 410, 500) if is_gone(status)] == [410]


def test_delays_follow_the_schedule_and_end_with_it():
    delays = [next_delay(n, SCHEDULE, jitter=0, retry_after=None) for n in range(1, 7)]
    assert delays == [30.0, 60.0, 120.0, 240.0, None, None]


@pytest.mark.parametrize(("jitter", "delay"), [(-1, 54), (0, 60), (1, 66)])
def test_jitter_spreads_a_delay_by_ten_percent(jitter, delay):
    assert next_delay(2, SCHEDULE, jitter=jitter, retry_after=None) == pytest.approx(delay)


@pytest.mark.parametrize(("retry_after", "delay"), [(0, 60), (45, 60), (90, 90), (7200, 600)])
def test_the_receiver_may_ask_for_more_time_up_to_ten_minutes(retry_after, delay):
    assert next_delay(2, SCHEDULE, jitter=0, retry_after=retry_after) == delay


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 5 ", 5),
        ("0.5", 0.5),
        ("0", 0),
        ("Sun, 22 Nov 2026 12:01:30 GMT", 90),
        ("Sun, 22 Nov 2026 12:01:30 -0000", 90),
        ("Sun, 22 Nov 2026 14:00:00 +0200", 0),
        ("Sat, 21 Nov 2026 12:00:00 GMT", 0),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("1" * 5000, None),
        ("٣", None),
        ("Sun, 22 Nov 99999 12:01:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds):
    assert parse_retry_after(value, now=NOW) == seconds


@given(st.text())
def test_no_header_makes_it_raise(value):
    seconds = parse_retry_after(value, now=NOW)
    assert seconds is None or seconds >= 0


@given(st.binary(max_size=100))
def test_any_answer_can_be_kept(body):
    text = safe_text(body, 10)
    assert "\x00" not in text
    assert len(text) <= 10
    assert text.encode().decode() == text


def test_as_many_characters_are_kept_as_asked_for():
    assert safe_text("Ошибка 🚗🚗🚗".encode(), 9) == "Ошибка 🚗🚗"
    assert len(safe_text(b"x" * 5_000)) == 1_000

"""What becomes of deliveries, by what their receivers answer."""

import json
import tracemalloc
from datetime import timedelta

import pytest
from standardwebhooks import Webhook

from generation_service.core.webhooks import standard_secret
from tests.integration.outbox import ACME_KEY, ACME_SECRET, KEY, outbox
from tests.running import free_port
from tests.servers import Reply, redirect

SCHEDULE = (0.0, 30.0, 60.0, 120.0, 240.0)


@pytest.fixture
def box(engine):
    with outbox(engine) as running:
        yield running


@pytest.fixture
def patient(box):
    """The same, with pauses between attempts."""
    return box.elsewhere(webhook_retry_seconds=SCHEDULE)


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_delivery_that_is_taken_ends(box, status):
    delivery = box.send(Reply(status=status, body=b"thanks"))
    assert (delivery["status"], delivery["attempt_count"]) == ("delivered", 1)
    assert delivery["delivered_at"] == delivery["last_attempt_at"]
    assert (delivery["error_message"], delivery["next_attempt_at"]) == (None, None)
    (attempt,) = box.attempts(delivery)
    assert (attempt["status_code"], attempt["error"], attempt["response"]) == (
        status,
        None,
        "thanks",
    )
    assert attempt["at"] <= delivery["delivered_at"]


@pytest.mark.parametrize("status", [204, 400, 404, 500])
def test_any_other_answer_fails_the_attempt_and_five_the_delivery(box, status):
    delivery = box.send(Reply(status=status))
    assert (delivery["status"], delivery["attempt_count"]) == ("failed", 5)
    assert delivery["error_message"] == f"the receiver answered {status}"
    assert [attempt["attempt"] for attempt in box.attempts(delivery)] == [1, 2, 3, 4, 5]


def test_every_attempt_has_the_same_id_and_its_own_number(box):
    box.send(Reply(status=500))
    sent = [request.headers for request in box.received()]
    assert len({headers["webhook-id"] for headers in sent}) == 1
    assert [headers["x-webhook-attempt"] for headers in sent] == ["1", "2", "3", "4", "5"]


def test_a_redirect_to_a_private_address_is_recorded_and_not_followed(patient):
    delivery = patient.send(redirect(patient.url("/private"), status=301))
    assert delivery["error_message"] == "the receiver answered 301"
    assert patient.received("/private") == []


def test_a_private_address_is_refused_with_a_reason_that_does_not_show_it(patient):
    job_id = patient.job("http://hooks.test/")
    patient.elsewhere(lookup=lambda _name: ["127.0.0.1"]).deliver()
    reason = patient.delivery(job_id)["error_message"]
    assert reason.startswith("address_refused: The address of hooks.test is not public")
    assert "127.0.0.1" not in reason


def test_a_receiver_that_can_t_be_reached_is_an_attempt_like_any_other(patient):
    port = free_port()
    job_id = patient.job(f"http://127.0.0.1:{port}/")
    patient.elsewhere(allowed_private_hosts={("127.0.0.1", port)}).deliver()
    (attempt,) = patient.attempts(patient.delivery(job_id))
    assert attempt["status_code"] is None
    assert attempt["error"].startswith("connect_failed: ")


@pytest.mark.parametrize(
    ("body", "kept"),
    [(b"a\0b", "a\ufffdb"), (b"\xff\xfe!", "\ufffd\ufffd!"), ("ё".encode() * 2_000, "ё" * 1_000)],
)
def test_what_is_kept_of_an_answer_is_fit_for_the_database(patient, body, kept):
    (attempt,) = patient.attempts(patient.send(Reply(status=500, body=body)))
    assert attempt["response"] == kept


BIG = b"x" * 10_000_000
ENDLESS = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + BIG


@pytest.mark.parametrize(
    "reply", [Reply(body=BIG), Reply(raw=ENDLESS), Reply(body=BIG, gzip=True)], ids=repr
)
def test_of_a_huge_answer_little_is_read(patient, reply):
    tracemalloc.start()
    delivery = patient.send(reply)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert delivery["status"] == "delivered"
    assert patient.attempts(delivery)[0]["response"] == "x" * 1_000
    assert peak < 4_000_000


@pytest.mark.parametrize("failures", [1, 2, 3, 4])
def test_the_next_attempt_comes_after_the_scheduled_pause(patient, failures):
    job_id = patient.job(patient.url("/down"))
    for _ in range(failures):
        patient.rows("UPDATE webhook_deliveries SET next_attempt_at = now()")
        patient.deliver()
    delivery = patient.delivery(job_id)
    pause = (delivery["next_attempt_at"] - delivery["last_attempt_at"]).total_seconds()
    assert pause == pytest.approx(SCHEDULE[failures], rel=0.1)


@pytest.mark.parametrize(("asked", "pause"), [("90", 90), ("86400", 600)])
def test_retry_after_is_kept_up_to_ten_minutes(patient, asked, pause):
    delivery = patient.send(Reply(status=429, headers={"Retry-After": asked}))
    assert delivery["next_attempt_at"] - delivery["last_attempt_at"] == timedelta(seconds=pause)


def test_the_first_attempt_waits_if_the_schedule_says_so(box):
    waiting = box.elsewhere(webhook_retry_seconds=(60.0, 30.0))
    job_id = waiting.job(waiting.url())
    assert waiting.deliver() is False
    waiting.rows("UPDATE webhook_deliveries SET next_attempt_at = now() - interval '60 s'")
    assert waiting.deliver()
    assert waiting.delivery(job_id)["status"] == "delivered"


@pytest.mark.parametrize(
    ("client", "secret"), [("default", standard_secret(KEY)), ("acme", ACME_SECRET)]
)
def test_a_standard_webhooks_library_verifies_what_is_sent(box, client, secret):
    box.send(Reply(), client=client)
    (request,) = box.received()
    verified = Webhook(secret).verify(request.body, dict(request.headers))
    assert verified == json.loads(request.body)
    assert verified["lots"][0]["descriptions"] == [{"language": "en", "damages": "<p>A dent.</p>"}]


def test_the_signature_that_was_sent_last_is_kept(box):
    delivery = box.send(Reply(), client="acme")
    (request,) = box.received()
    assert delivery["signature"] == request.headers["x-signature"]


def test_a_client_without_a_key_fails_its_own_deliveries_only(patient):
    lost, other = patient.job(patient.url(), client="gone"), patient.job(patient.url())
    patient.deliver()
    delivery = patient.delivery(lost)
    assert (delivery["status"], delivery["attempt_count"]) == ("pending", 1)
    assert delivery["error_message"].startswith("no_key: The client gone has no key any more")
    assert patient.delivery(other)["status"] == "delivered"
    assert len(patient.received()) == 1


def test_a_delivery_that_can_t_be_rendered_fails_alone(patient):
    broken = patient.job(patient.url(), before=["UPDATE batch_jobs SET metadata = '3'"])
    whole = patient.job(patient.url())
    patient.deliver()
    assert patient.delivery(broken)["error_message"].startswith("internal_error: ")
    assert patient.delivery(whole)["status"] == "delivered"


def test_clients_sign_with_their_first_key_of_two(box):
    rotating = box.elsewhere(client_keys={"acme": ("n" * 32, ACME_KEY)}, webhook_secrets={})
    rotating.send(Reply(), client="acme")
    (request,) = rotating.received()
    Webhook(standard_secret("n" * 32)).verify(request.body, dict(request.headers))

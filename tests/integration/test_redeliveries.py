"""Sending once more what was delivered, failed or waits (docs/api.md §6)."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from tests.integration.outbox import ACME_KEY, outbox
from tests.servers import Reply


@pytest.fixture
def box(engine):
    with outbox(engine) as running:
        yield running


def test_a_delivered_webhook_is_sent_again_under_its_id(box):
    delivery = box.send(Reply())
    answer = box.redeliver(delivery)
    assert (answer.status_code, answer.json["status"]) == (202, "pending")
    assert answer.json["delivery_id"] == str(delivery["id"])
    box.deliver()
    first, second = [request.headers for request in box.received()]
    assert first["webhook-id"] == second["webhook-id"]
    assert second["x-webhook-attempt"] == "2"
    assert box.delivery(delivery["batch_job_id"])["status"] == "delivered"


def test_a_failed_one_gets_five_more_attempts(box):
    delivery = box.send(Reply(status=500))
    box.redeliver(delivery)
    box.deliver()
    again = box.delivery(delivery["batch_job_id"])
    assert (again["status"], again["attempt_count"]) == ("failed", 10)
    assert [attempt["attempt"] for attempt in box.attempts(again)] == list(range(1, 11))


def test_one_that_waits_for_its_next_attempt_is_due_now_with_a_round_of_its_own(box):
    patient = box.elsewhere(webhook_retry_seconds=(0.0, 300.0))
    delivery = patient.send(Reply(status=500))
    assert patient.deliver() is False
    assert box.redeliver(delivery).status_code == 202
    patient.receiver.replies["/hook"] = [Reply(status=500), Reply(status=500), Reply()]
    patient.deliver()
    waiting = patient.delivery(delivery["batch_job_id"])
    assert (waiting["status"], waiting["attempt_count"]) == ("pending", 2)


@pytest.mark.parametrize("status", [200, 500])
def test_one_that_is_under_way_is_sent_again_when_that_has_ended(box, status):
    gate = Event()
    box.receiver.replies["/hook"] = [Reply(status=status, held=gate), Reply()]
    only = box.elsewhere(webhook_retry_seconds=(0.0,))
    job_id = only.job(only.url())
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(only.deliver)
        only.receiver.wait_for_hits(1)
        assert only.redeliver(only.delivery(job_id)).status_code == 202
        gate.set()
        running.result()
    delivery = only.delivery(job_id)
    assert (delivery["status"], delivery["attempt_count"]) == ("delivered", 2)


def test_a_crash_after_such_a_request_costs_no_attempt(box):
    job_id = box.job(box.url())
    box.rows(
        "UPDATE webhook_deliveries SET lease_token = gen_random_uuid(),"
        " lease_expires_at = now() + interval '1 minute'"
    )
    box.redeliver(box.delivery(job_id))
    box.expire_leases()
    box.deliver()
    delivery = box.delivery(job_id)
    assert (delivery["status"], delivery["attempt_count"]) == ("delivered", 1)


def test_somebody_else_s_delivery_is_a_404(box):
    delivery = box.send(Reply())
    assert box.redeliver(delivery, key=ACME_KEY).status_code == 404
    foreign = box.send(Reply(), client="acme")
    mixed = foreign | {"batch_job_id": delivery["batch_job_id"]}
    assert box.redeliver(mixed).status_code == 404
    assert box.redeliver(delivery | {"id": "no-uuid"}).status_code == 404
    assert box.delivery(foreign["batch_job_id"])["status"] == "delivered"

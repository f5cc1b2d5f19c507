"""Receivers that refuse for good are paused until their owner resumes them (docs/api.md §6)."""

import json
import random

import pytest
from standardwebhooks import Webhook

from tests.integration.outbox import ACME_KEY, ACME_SECRET, outbox
from tests.servers import Reply

DAYS = "UPDATE webhook_endpoints SET failing_since = failing_since - make_interval(hours => :hours)"


@pytest.fixture
def box(engine):
    with outbox(engine) as running:
        yield running


def endpoints(box, query="", **more):
    return box.ask(f"/webhook-endpoints{query}", **more).json["endpoints"]


def post(box, action, *, endpoint=None, **more):
    endpoint_id = (endpoint or endpoints(box, **more)[0])["endpoint_id"]
    return box.ask(f"/webhook-endpoints/{endpoint_id}/{action}", method="POST", **more)


def test_a_410_fails_the_delivery_at_once_and_pauses_the_endpoint(box):
    delivery = box.send(Reply(status=410))
    assert (delivery["status"], delivery["attempt_count"]) == ("failed", 1)
    (endpoint,) = endpoints(box)
    assert (endpoint["url"], endpoint["status"], endpoint["paused_reason"]) == (
        box.url(),
        "paused",
        "gone",
    )


def test_what_comes_later_waits_and_is_sent_when_the_endpoint_is_resumed(box):
    box.send(Reply(status=410))
    waiting = box.send(Reply())
    assert (waiting["status"], waiting["attempt_count"]) == ("pending", 0)
    assert waiting["next_attempt_at"] is None
    assert endpoints(box)[0]["pending_deliveries"] == 1
    answer = post(box, "resume")
    assert (answer.status_code, answer.json["status"]) == (200, "active")
    box.deliver()
    assert box.delivery(waiting["batch_job_id"])["status"] == "delivered"


def test_other_urls_of_the_same_host_go_on(box):
    box.send(Reply(status=410), path="/gone")
    assert box.send(Reply(), path="/here")["status"] == "delivered"


def test_the_same_url_of_another_client_goes_on(box):
    box.send(Reply(status=410))
    assert box.send(Reply(), client="acme")["status"] == "delivered"
    assert [endpoint["status"] for endpoint in endpoints(box, key=ACME_KEY)] == ["active"]


@pytest.mark.parametrize(("hours", "status"), [(119, "active"), (120, "paused")])
def test_five_days_of_nothing_but_failures_pause_an_endpoint(box, hours, status):
    box.send(Reply(status=500))
    box.rows(DAYS, hours=hours)
    box.send(Reply(status=500))
    (endpoint,) = endpoints(box)
    assert endpoint["status"] == status
    assert endpoint["paused_reason"] == ("failing" if status == "paused" else None)


def test_the_longest_url_is_an_endpoint_like_any_other(box):
    # Distinct characters of three bytes each: no compression makes this fit a B-tree entry.
    path = "".join(random.Random(2).sample([chr(n) for n in range(0x4E00, 0x9FFF)], k=2_000))
    box.job(box.url(f"/{path}"))
    box.deliver()
    assert [endpoint["status"] for endpoint in endpoints(box)] == ["active"]


def test_a_success_begins_the_five_days_anew(box):
    box.send(Reply(status=500))
    box.rows(DAYS, hours=200)
    box.send(Reply())
    (endpoint,) = endpoints(box)
    assert (endpoint["failing_since"], endpoint["status"]) == (None, "active")
    assert endpoint["last_success_at"] is not None


def test_a_resumed_endpoint_has_five_days_again(box):
    box.send(Reply(status=500))
    box.rows(DAYS, hours=200)
    box.send(Reply(status=500))
    post(box, "resume")
    box.send(Reply(status=500))
    assert endpoints(box)[0]["status"] == "active"


def test_a_client_without_a_key_says_nothing_of_its_endpoint(box):
    box.job(box.url(), client="gone")
    box.deliver()
    assert box.rows("SELECT * FROM webhook_endpoints") == []


def test_a_test_sends_a_signed_sample_and_resumes_nothing(box):
    box.send(Reply(status=410), client="acme")
    box.receiver.replies["/hook"] = Reply(status=200, body=b"here again")
    answer = post(box, "test", key=ACME_KEY)
    assert answer.status_code == 200
    assert answer.json.pop("duration_ms") >= 0
    assert answer.json | {"duration_ms": 0} == {
        "delivered": True,
        "status_code": 200,
        "error": None,
        "response": "here again",
        "duration_ms": 0,
    }
    sample = box.received()[-1]
    assert Webhook(ACME_SECRET).verify(sample.body, dict(sample.headers))["test"] is True
    assert endpoints(box, key=ACME_KEY)[0]["status"] == "paused"


def test_a_test_goes_through_the_guard(box):
    box.send(Reply())
    box.rows("UPDATE webhook_endpoints SET url = 'http://169.254.169.254/latest'")
    answer = post(box, "test")
    assert (answer.json["delivered"], answer.json["status_code"]) == (False, None)
    assert answer.json["error"].startswith("address_refused: ")


def test_endpoints_are_listed_by_url_a_page_at_a_time(box):
    for path in ("/b", "/a", "/c"):
        box.send(Reply(), path=path)
    answer = box.ask("/webhook-endpoints?limit=2&offset=1").json
    assert [endpoint["url"] for endpoint in answer["endpoints"]] == [box.url("/b"), box.url("/c")]
    assert answer["pagination"] == {"limit": 2, "offset": 1, "total": 3}


@pytest.mark.parametrize("action", ["resume", "test"])
def test_somebody_else_s_endpoint_is_a_404(box, action):
    box.send(Reply(status=410))
    (endpoint,) = endpoints(box)
    answer = post(box, action, endpoint=endpoint, key=ACME_KEY)
    assert (answer.status_code, answer.json["error"]) == (404, "not_found")
    assert post(box, action, endpoint={"endpoint_id": "7"}).status_code == 404
    assert endpoints(box)[0]["status"] == "paused"


@pytest.mark.parametrize("path", ["", "/x/resume", "/x/test"])
def test_endpoints_are_for_those_who_sign(box, path):
    method = "POST" if path else "GET"
    answer = box.ask(f"/webhook-endpoints{path}", method=method, signed="something else")
    assert json.loads(answer.data)["error"] == "invalid_signature"

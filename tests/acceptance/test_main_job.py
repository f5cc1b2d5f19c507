"""Photos in, descriptions in many languages out, from the running service."""

import hashlib
import hmac
import json

import pytest
import standardwebhooks

from generation_service.core.webhooks import standard_secret
from tests.acceptance.client import Client, lot
from tests.servers import Reply
from tests.waiting import until


@pytest.fixture
def client(service):
    return Client(service)


def lots(photos, count, **more):
    return [lot(f"lot-{n}", photos.url("/1.jpg"), **more) for n in range(count)]


def test_one_lot_is_answered_in_the_same_request(client, photos):
    request = [lot("11-12345", photos.url("/1.jpg"), photos.url("/2.png"))]
    status, answer = client.generate(request, ["ru", "en", "pt-BR"])
    assert status == 200
    (described,) = answer["lots"]
    assert described["lot_id"] == "11-12345"
    assert described["missing_images"] == []
    assert [entry["language"] for entry in described["descriptions"]] == ["ru", "en", "pt-BR"]
    assert all(entry["damages"].startswith("<p>") for entry in described["descriptions"])


def test_one_lot_with_too_few_photos_is_refused_with_their_names(client, photos):
    gone = photos.url("/gone.jpg")
    status, answer = client.generate([lot("a", photos.url("/1.jpg"), gone)])
    assert (status, answer["error"]) == (400, "too_many_unreachable_images")
    assert answer["unreachable_urls"] == [gone]


def test_a_job_ends_with_every_lot_in_every_language(client, photos):
    job_id = client.job(lots(photos, 5), ["en", "zh-Hant", "sr-Latn"])
    status = client.finished(job_id)
    assert status["status"] == "completed"
    assert status["progress"] == {
        "total_lots": 5,
        "processed_lots": 5,
        "failed_lots": 0,
        "completion_percentage": 100.0,
    }
    code, document = client.results(job_id)
    assert code == 200
    for described in document["results"]["lots"]:
        languages = [entry["language"] for entry in described["descriptions"]]
        assert languages == ["en", "zh-Hant", "sr-Latn"]


def test_the_webhook_carries_the_results_and_both_signatures(client, photos, receiver, service):
    receiver.replies["/hook"] = Reply(status=202, body=b"thanks")
    job_id = client.job(
        lots(photos, 3, webhook=receiver.url("/hook")), ["en", "de"], metadata={"sale": "17"}
    )
    client.finished(job_id)
    until(lambda: receiver.hits("/hook"), what="a webhook")
    (request,) = [entry for entry in receiver.received if entry.path == "/hook"]
    expected = hmac.new(service.shared_key.encode(), request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-signature"] == f"sha256={expected}"
    secret = standard_secret(service.shared_key)
    verified = standardwebhooks.Webhook(secret).verify(request.body.decode(), request.headers)
    document = json.loads(request.body)
    assert document == verified
    assert document["metadata"] == {"sale": "17"}
    assert [entry["lot_id"] for entry in document["lots"]] == ["lot-0", "lot-1", "lot-2"]


def test_a_failing_receiver_is_tried_again_under_the_same_id(client, photos, receiver):
    receiver.replies["/flaky"] = [Reply(status=500), Reply(status=204), Reply(status=200)]
    job_id = client.job(lots(photos, 2, webhook=receiver.url("/flaky")))
    client.finished(job_id)
    until(lambda: receiver.hits("/flaky") == 3, what="three attempts")
    sent = [entry.headers for entry in receiver.received if entry.path == "/flaky"]
    assert len({headers["webhook-id"] for headers in sent}) == 1
    assert [headers["x-webhook-attempt"] for headers in sent] == ["1", "2", "3"]


def test_distinct_urls_get_their_own_lots(client, photos, receiver):
    receiver.replies |= {"/one": Reply(), "/two": Reply()}
    request = [
        *lots(photos, 2, webhook=receiver.url("/one")),
        lot("other", photos.url("/2.png"), webhook=receiver.url("/two")),
        lot("silent", photos.url("/2.png")),
    ]
    job_id = client.job(request)
    client.finished(job_id)
    until(lambda: receiver.hits("/one") and receiver.hits("/two"), what="both webhooks")
    bodies = {e.path: json.loads(e.body) for e in receiver.received if e.path in {"/one", "/two"}}
    assert [entry["lot_id"] for entry in bodies["/one"]["lots"]] == ["lot-0", "lot-1"]
    assert [entry["lot_id"] for entry in bodies["/two"]["lots"]] == ["other"]


def test_nothing_was_billed_twice(simulator, client, photos):
    job_id = client.job(lots(photos, 4), ["en", "fr"])
    client.finished(job_id)
    billed = [entry["custom_id"] for entry in simulator.ledger() if entry["kind"] == "batch"]
    assert len(billed) == len(set(billed))

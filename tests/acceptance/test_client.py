"""The Python client to copy, and the one that the first documentation published, word for word."""

import base64
import contextlib
import json
from uuid import uuid4

import pytest
import requests

from examples.generation_service_client import GenerationServiceClient, Json, verify_webhook
from generation_service.core import webhooks
from tests.acceptance import literal_client
from tests.running import ROOT
from tests.servers import Reply
from tests.waiting import until

VECTORS = json.loads((ROOT / "docs" / "signature-vectors.json").read_text())


@pytest.fixture
def client(service):
    client = GenerationServiceClient(service.base_url, service.shared_key)
    with contextlib.closing(client.session):
        yield client


@pytest.fixture
def cars(photos):
    words = f"BMW X5 damage assessment {uuid4()}"  # no test gets another one's job again
    names = ["batch-001", "batch-002"]
    return [
        {"lot_id": n, "additional_info": words, "image_urls": [photos.url("/1.jpg")]} for n in names
    ]


class QuickLiteralClient(literal_client.GenerationServiceClient):
    """Unchanged but for the 30 seconds between polls."""

    def poll_for_results(self, job_id, poll_interval=0.1, max_wait_time=60):
        return super().poll_for_results(job_id, poll_interval, max_wait_time)


def test_sync_generate_answers_the_document_and_the_status(client, photos):
    answer, status = client.sync_generate("a", "2019 Toyota", [photos.url("/1.jpg")], ("ru", "en"))
    assert status == 200
    languages = [entry["language"] for entry in answer["lots"][0]["descriptions"]]
    assert languages == ["ru", "en"]


def test_sync_generate_hands_errors_on(client, photos):
    answer, status = client.sync_generate("a", "", [photos.url("/gone.jpg")])
    assert (status, answer["error"]) == (400, "too_many_unreachable_images")


def test_a_batch_is_polled_to_its_results_with_progress(client, cars):
    seen: list[Json] = []
    client.on_progress = seen.append
    results, error = client.batch_generate_with_polling(cars, ("en", "de"), poll_interval=0.1)
    assert error is None
    assert [lot["lot_id"] for lot in results["results"]["lots"]] == ["batch-001", "batch-002"]
    assert seen[-1]["status"] == "completed"


def test_the_progress_bar_ends_full(client, cars, capsys):
    client.batch_generate_with_polling(cars, poll_interval=0.1)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("█" * 25)
    assert "vision 2/2" in last


def test_a_refused_batch_names_the_reason(client, cars):
    results, error = client.batch_generate_with_polling(cars, ("xx-invalid-tag",))
    assert results is None
    assert "unknown_language" in error


def test_waiting_ends_after_the_given_time(client, cars):
    results, error = client.batch_generate_with_polling(cars, max_wait_time=0)
    assert (results, error) == (None, "Timeout after 0 seconds")


def test_a_job_is_listed_downloaded_and_can_not_be_cancelled_once_it_ended(client, cars, tmp_path):
    results, _ = client.batch_generate_with_polling(cars, poll_interval=0.1)
    job_id = results["job_id"]
    listed, status = client.list_jobs("completed", limit=100)
    assert status == 200
    assert job_id in [job["id"] for job in listed["jobs"]]
    file = client.download(job_id, tmp_path)
    assert json.loads(file.read_text()) == results
    answer, status = client.cancel_batch_job(job_id)
    assert (status, answer["error"]) == (400, "Job cannot be cancelled")


def test_downloading_an_unknown_job_raises_and_leaves_no_file(client, tmp_path):
    with pytest.raises(requests.HTTPError, match="not_found"):
        client.download("550e8400-e29b-41d4-a716-446655440000", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_received_webhook_verifies_until_a_byte_of_it_changes(client, cars, receiver):
    receiver.replies["/client"] = Reply()
    results, _ = client.batch_generate_with_polling(
        cars, webhook_url=receiver.url("/client"), poll_interval=0.1
    )
    until(lambda: receiver.hits("/client"), what="a webhook")
    (webhook,) = [entry for entry in receiver.received if entry.path == "/client"]
    assert json.loads(webhook.body)["lots"] == results["results"]["lots"]
    assert verify_webhook(webhook.body, webhook.headers, client.shared_key)
    assert not verify_webhook(webhook.body + b" ", webhook.headers, client.shared_key)
    deliveries, _ = client.deliveries(results["job_id"])
    assert deliveries["deliveries"][0]["attempts"][0]["status_code"] == 200


@pytest.mark.parametrize("vector", VECTORS["lots"], ids=lambda vector: vector["name"])
def test_lots_are_signed_as_the_vectors_say(vector):
    client = GenerationServiceClient("http://127.0.0.1", vector["key"])
    assert client.generate_signature(vector["lots"]) == vector["signature"]


HEADERS = ("X-Signature", "webhook-id", "webhook-timestamp", "webhook-signature")


@pytest.fixture(params=VECTORS["webhooks"], ids=range(len(VECTORS["webhooks"])))
def webhook(request):
    """Of a vector: body, headers, key and the time of sending."""
    vector = request.param
    headers = {name: vector[name] for name in HEADERS}
    return vector["body"].encode(), headers, vector["key"], int(vector["webhook-timestamp"])


def test_either_signature_alone_verifies_a_webhook(webhook):
    body, headers, key, sent = webhook
    only_ours = {"x-signature": headers["X-Signature"]}
    standard = {name: headers[name] for name in HEADERS[1:]}
    assert verify_webhook(body, headers, key, now=sent)
    assert verify_webhook(body, only_ours, key)
    assert verify_webhook(body, standard, key, now=sent)


def test_a_secret_of_its_own_for_webhooks_is_the_one_that_counts(webhook):
    body, headers, key, sent = webhook
    secret = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
    theirs = webhooks.headers(
        body=body,
        signed_by=webhooks.signer(key, secret),
        delivery_id=headers["webhook-id"],
        timestamp=sent,
        attempt=1,
    )
    assert verify_webhook(body, theirs, key, secret, now=sent)
    assert not verify_webhook(body, theirs, key, now=sent)
    assert not verify_webhook(body, headers, key, secret, now=sent)


@pytest.mark.parametrize("name", ["X-Signature", "webhook-id", "webhook-timestamp"])
def test_a_webhook_with_one_wrong_header_is_refused(webhook, name):
    body, headers, key, sent = webhook
    assert not verify_webhook(body, headers | {name: headers[name] + "1"}, key, now=sent)


def test_an_old_an_unsigned_and_a_strangers_webhook_are_refused(webhook):
    body, headers, key, sent = webhook
    assert not verify_webhook(body, headers, key, now=sent + 301)
    assert not verify_webhook(body, {}, key, now=sent)
    assert not verify_webhook(body, headers, key + "x", now=sent)


def test_a_signature_of_other_letters_is_refused_without_an_error(webhook):
    body, headers, key, sent = webhook
    assert not verify_webhook(body, headers | {"X-Signature": "sha256=é"}, key, now=sent)


def test_the_published_client_gets_one_lot_at_once(service, photos):
    client = literal_client.GenerationServiceClient(service.base_url, service.shared_key)
    result, status = client.sync_generate(
        lot_id="test-001",
        additional_info="2019 Toyota Camry, front collision damage",
        image_urls=[photos.url("/1.jpg"), photos.url("/2.png")],
        languages=["en", "ru", "fr"],
    )
    assert status == 200
    languages = [entry["language"] for entry in result["lots"][0]["descriptions"]]
    assert languages == ["en", "ru", "fr"]


def test_the_published_client_polls_a_batch_to_its_webhook(service, cars, receiver):
    receiver.replies["/published"] = Reply()
    client = QuickLiteralClient(service.base_url, service.shared_key)
    results, error = client.batch_generate_with_polling(
        cars_data=cars, languages=["en", "de", "fr"], webhook_url=receiver.url("/published")
    )
    assert error is None
    assert results["results"]["processed_lots"] == 2
    until(lambda: receiver.hits("/published"), what="a webhook")
    (webhook,) = [entry for entry in receiver.received if entry.path == "/published"]
    assert literal_client.verify_webhook_signature(
        webhook.body.decode(), webhook.headers["x-signature"], service.shared_key
    )


def test_the_published_client_reads_the_answer_to_a_late_cancel(service, cars):
    client = QuickLiteralClient(service.base_url, service.shared_key)
    results, _ = client.batch_generate_with_polling(cars)
    answer, status = client.cancel_batch_job(results["job_id"])
    assert status == 400
    assert answer == {
        "error": "Job cannot be cancelled",
        "code": "job_not_cancellable",
        "status": "completed",
        "message": "Only pending, processing, or translating jobs can be cancelled. "
        "Current status: completed",
    }

"""The client is told of a job's first run, retries what failed, is told again, deletes the job."""

import json

import pytest

from tests.acceptance.client import Client, lot
from tests.servers import Reply


@pytest.fixture
def client(service):
    return Client(service)


def webhooks(receiver, count):
    """The webhooks that came, once so many have."""
    receiver.wait_for_hits(count)
    sent = [request for request in receiver.received if request.path == "/runs"]
    assert len({request.headers["webhook-id"] for request in sent}) == count
    return [json.loads(request.body) for request in sent]


def languages(lots):
    return [[entry["language"] for entry in lot["descriptions"]] for lot in lots]


def test_a_job_is_retried_told_of_twice_and_deleted(client, simulator, photos, receiver):
    receiver.replies["/runs"] = Reply()
    refusal = {"on": "line", "do": "refuse", "times": 1, "match": {"body": "into Russian"}}
    simulator.add_rule(**refusal)
    named = [
        lot(lot_id, photos.url("/1.jpg"), webhook=receiver.url("/runs")) for lot_id in ("a", "b")
    ]
    job_id = client.job(named, ["en", "ru"])
    first = client.finished(job_id)
    assert (first["run"], first["status"], first["progress"]["failed_lots"]) == (1, "completed", 1)
    told_once = webhooks(receiver, 1)

    status, answer = client.retry(job_id)
    assert (status, answer["run"], answer["retried_lots"]) == (202, 2, 1)
    second = client.finished(job_id)
    assert (second["run"], second["status"], second["progress"]["failed_lots"]) == (
        2,
        "completed",
        0,
    )
    assert client.retry(job_id)[1]["error"] == "job_not_retryable"

    sent = webhooks(receiver, 2)
    assert sent[:1] == told_once
    assert [(document["run"], document["status"]) for document in sent] == [
        (1, "completed"),
        (2, "completed"),
    ]
    assert sorted(languages(sent[0]["lots"])) == [["en"], ["en", "ru"]]
    assert languages(sent[1]["lots"]) == [["en", "ru"], ["en", "ru"]]

    assert client.delete(job_id)[0] == 204
    assert client.status(job_id)["error"] == "not_found"
    assert client.delete(job_id)[0] == 404

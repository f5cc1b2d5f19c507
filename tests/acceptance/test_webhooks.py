"""Webhooks of the running service, two processes of it: signed, sent again, paused, resumed."""

import json
from threading import Event

import pytest
import standardwebhooks
from sqlalchemy import text

from generation_service.db.engine import make_engine
from tests import running
from tests.acceptance.client import Client, lot, sign
from tests.servers import Reply
from tests.waiting import until

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@pytest.fixture(scope="module")
def service(folder, database_url, simulator, photos, receiver):
    environ = {
        "DATABASE_URL": database_url,
        "OPENAI_BASE_URL": simulator.base_url,
        "ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{photos.port},127.0.0.1:{receiver.port}",
        "WEBHOOK_RETRY_SECONDS": "0,0.2,0.2,0.2,0.2",
        "WEBHOOK_SECRET": SECRET,
    }
    with running.service(folder, environ) as started:
        yield started


@pytest.fixture
def client(service):
    return Client(service)


@pytest.fixture
def ended(client, photos, receiver):
    """Ends a job whose lots name these paths of the receiver, a lot each."""

    def end(*paths):
        named = [
            lot(f"lot-{number}", photos.url("/1.jpg"), webhook=receiver.url(path))
            for number, path in enumerate((*paths, paths[0]))
        ]
        job_id = client.job(named)
        client.finished(job_id)
        return job_id

    return end


def post(service, path, *, signed=None):
    target = "/api/v1" + path
    signature = sign(service.shared_key, (signed or target).encode())
    headers = {"X-Signature": f"sha256={signature}"}
    status, answer = running.post(service.base_url + target, b"", headers)
    return status, json.loads(answer)


def endpoint(service, url):
    """The endpoint as it is listed; empty before anything was sent to it."""
    target = "/api/v1/webhook-endpoints?limit=100"
    signature = sign(service.shared_key, target.encode())
    _, answer = running.get(service.base_url + target, {"X-Signature": signature})
    listed = {found["url"]: found for found in json.loads(answer)["endpoints"]}
    return listed.get(url, {})


def delivered(client, job_id):
    """The job's only delivery, once it is delivered."""

    def found():
        (delivery,) = client.deliveries(job_id)
        return delivery if delivery["status"] == "delivered" else None

    return until(found, what="the webhook is delivered")


def requests(receiver, path):
    return [request for request in receiver.received if request.path == path]


def test_a_standard_webhooks_library_verifies_it_with_the_client_s_own_secret(
    client, receiver, ended
):
    receiver.replies["/signed"] = Reply(status=201, body=b"thanks")
    delivery = delivered(client, ended("/signed"))
    (request,) = requests(receiver, "/signed")
    verified = standardwebhooks.Webhook(SECRET).verify(request.body, dict(request.headers))
    assert verified["delivery_id"] == delivery["delivery_id"] == request.headers["webhook-id"]
    assert delivery["attempts"][0]["response"] == "thanks"


def test_a_webhook_is_sent_again_on_request(service, client, receiver, ended):
    receiver.replies["/again"] = Reply()
    job_id = ended("/again")
    delivery = delivered(client, job_id)
    path = f"/batch-jobs/{job_id}/deliveries/{delivery['delivery_id']}/redeliver"
    status, answer = post(service, path, signed=job_id)
    assert (status, answer["status"]) == (202, "pending")
    until(lambda: receiver.hits("/again") == 2, what="it comes again")
    assert len({request.headers["webhook-id"] for request in requests(receiver, "/again")}) == 1


def test_a_receiver_that_is_gone_gets_nothing_until_it_is_resumed(service, client, receiver, ended):
    receiver.replies["/gone"] = [Reply(status=410), Reply()]
    ended("/gone")
    url = receiver.url("/gone")
    until(lambda: endpoint(service, url).get("status") == "paused", what="the endpoint is paused")
    waiting = ended("/gone")
    until(lambda: endpoint(service, url)["pending_deliveries"] == 1, what="the next one waits")
    path = f"/webhook-endpoints/{endpoint(service, url)['endpoint_id']}"
    assert post(service, f"{path}/test")[1]["delivered"] is True
    assert client.deliveries(waiting)[0]["attempt_count"] == 0
    assert post(service, f"{path}/resume")[0] == 200
    assert delivered(client, waiting)["attempt_count"] == 1


def test_all_processes_together_send_a_receiver_four_webhooks_at_once(client, receiver, ended):
    gate = Event()
    paths = [f"/crowd/{number}" for number in range(12)]
    receiver.replies |= {path: Reply(held=gate) for path in paths}
    receiver.most_at_once = 0
    before = len(receiver.received)
    job_id = ended(*paths)
    receiver.wait_for_hits(before + 4)
    gate.set()
    until(
        lambda: {each["status"] for each in client.deliveries(job_id)} == {"delivered"},
        what="all are delivered",
    )
    assert receiver.most_at_once == 4


def test_a_webhook_under_way_when_the_power_fails_comes_again(
    service, client, receiver, ended, database_url
):
    gate = Event()
    receiver.replies["/crash"] = [Reply(held=gate), Reply()]
    job_id = ended("/crash")
    until(lambda: receiver.hits("/crash") == 1, what="the webhook comes")
    service.again()
    gate.set()
    service.wait_until_healthy()
    engine = make_engine(database_url)
    with engine.begin() as connection:  # as if its 20 s had passed
        connection.execute(text("UPDATE webhook_deliveries SET lease_expires_at = now()"))
    engine.dispose()
    delivery = delivered(client, job_id)
    assert [attempt["attempt"] for attempt in delivery["attempts"]] == [1]
    sent = [request.headers for request in requests(receiver, "/crash")]
    assert [headers["x-webhook-attempt"] for headers in sent] == ["1", "1"]
    assert len({headers["webhook-id"] for headers in sent}) == 1

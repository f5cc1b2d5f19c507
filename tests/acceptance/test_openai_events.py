"""With OpenAI's events a job ends long before its batches would be asked about."""

import json
import urllib.request

import pytest

from tests import running
from tests.acceptance.client import Client, lot
from tests.events import SECRET
from tests.waiting import until

RETRIEVE = "GET /v1/batches/{}"


@pytest.fixture(scope="module")
def port():
    return running.free_port()


@pytest.fixture(scope="module")
def simulator(folder, port):
    url = f"http://127.0.0.1:{port}/openai/events"
    told = ["--events-url", url, "--events-secret", SECRET]
    with running.simulator(folder, "--batch-seconds", "0", *told) as process:
        yield process


@pytest.fixture(scope="module")
def service(folder, port, database_url, simulator, photos):
    """Polls once an hour."""
    environ = {
        "PORT": str(port),
        "DATABASE_URL": database_url,
        "OPENAI_BASE_URL": simulator.base_url,
        "OPENAI_WEBHOOK_SECRET": SECRET,
        "OPENAI_POLL_SECONDS": "3600",
        "ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{photos.port}",
    }
    with running.service(folder, environ) as started:
        yield started


def control(simulator, path):
    return json.loads(running.get(f"http://127.0.0.1:{simulator.port}/simulator/{path}")[1])


def looks(simulator):
    """How often a batch was asked about."""
    return control(simulator, "requests").get(RETRIEVE, {}).get("200", 0)


def take_back(simulator, rule):
    url = f"http://127.0.0.1:{simulator.port}/simulator/rules/{rule}"
    with urllib.request.urlopen(urllib.request.Request(url, method="DELETE")) as answer:
        assert answer.status == 200


def test_events_alone_bring_a_whole_job_to_its_end(service, simulator, photos):
    """Each batch is held up until it was asked about in vain; the next time is in an hour."""
    for batch in (1, 2):
        simulator.add_rule(on="batch", do="stall", match={"nth": batch})
    first, second = (rule["id"] for rule in control(simulator, "rules"))
    client = Client(service)
    job_id = client.job([lot(f"lot-{n}", photos.url("/1.jpg")) for n in range(3)], ["en", "de"])
    until(lambda: looks(simulator) == 1, what="a look at the vision batch")
    take_back(simulator, first)
    until(lambda: looks(simulator) == 3, what="a look at the translation batch")
    take_back(simulator, second)
    status = client.finished(job_id)
    assert (status["status"], status["progress"]["failed_lots"]) == ("completed", 0)
    assert looks(simulator) == 4
    assert [attempt["status"] for attempt in control(simulator, "events")] == [204, 204]

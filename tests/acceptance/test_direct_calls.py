"""The running service with a server that has no Batch API, as vLLM, llama.cpp and Ollama are."""

import json
from collections import Counter

import pytest

from tests import running
from tests.acceptance.client import Client, lot
from tests.waiting import until

PHOTO, LATE_PHOTO = "/1.jpg", "/2.png"


@pytest.fixture(scope="module")
def simulator(folder):
    with running.simulator(folder, "--no-batch-api") as process:
        yield process


def said(service, event):
    """What the log says of an event."""
    lines = (line for line in service.process.output().splitlines() if f'"{event}"' in line)
    return [json.loads(line) for line in lines]


def kinds(simulator):
    return Counter(entry["kind"] for entry in simulator.ledger())


def test_a_whole_job_is_worked_by_direct_calls(service, simulator, photos, receiver):
    before = kinds(simulator)
    lots = [lot(f"lot-{n}", photos.url(PHOTO), webhook=receiver.url("/direct")) for n in range(12)]
    client = Client(service)
    status = client.finished(client.job(lots, ["en", "ru", "de"]))
    assert (status["status"], status["openai_batches"]) == ("completed", [])
    for described in client.results(status["job_id"])[1]["results"]["lots"]:
        assert [text["language"] for text in described["descriptions"]] == ["en", "ru", "de"]
    assert kinds(simulator) - before == {"direct": 36}
    assert said(service, "openai_batch_api_missing")
    receiver.wait_for_hits(1, seconds=20)


def settled(client, job):
    return client.status(job)["progress"]["processed_lots"]


def waiting_for_openai(service, simulator, photos):
    """A job one of whose calls OpenAI has worked, and answers only after a while."""
    rule = {"on": "chat", "match": {"image_url": LATE_PHOTO}, "times": 1}
    simulator.add_rule(do="hang_after", seconds=60, **rule)
    before = kinds(simulator)["direct"]
    client = Client(service)
    job = client.job([lot("a", photos.url(PHOTO)), lot("b", photos.url(LATE_PHOTO))])
    until(lambda: kinds(simulator)["direct"] == before + 2, what="OpenAI has worked both")
    until(lambda: settled(client, job) == 1, what="one answer is recorded")
    return job


def test_a_call_under_way_when_everything_is_killed_is_not_repeated(service, simulator, photos):
    before = kinds(simulator)["direct"]
    job = waiting_for_openai(service, simulator, photos)
    service.again()
    service.wait_until_healthy()
    client = Client(service)
    assert client.finished(job, seconds=60)["status"] == "completed"
    lots = client.results(job)[1]["results"]["lots"]
    (failed,) = [each["error"] for each in lots if each["status"] == "failed"]
    assert failed["code"] == "openai_outcome_unknown"
    assert f"{job}/retry" in failed["message"]
    assert kinds(simulator)["direct"] == before + 2
    assert len(said(service, "openai_outcome_unknown")) == 1


def test_a_service_that_is_stopped_lets_its_calls_finish(service, simulator, photos):
    rule = {"on": "chat", "match": {"image_url": LATE_PHOTO}, "times": 1}
    simulator.add_rule(do="slow", seconds=3, **rule)
    client = Client(service)
    before = kinds(simulator)["direct"]
    job = client.job([lot("a", photos.url(PHOTO)), lot("b", photos.url(LATE_PHOTO))])
    until(lambda: kinds(simulator)["direct"] == before + 1, what="one is answered, one under way")
    assert service.process.stop() == 0
    service.again()
    service.wait_until_healthy()
    status = client.finished(job)
    assert (status["status"], kinds(simulator)["direct"]) == ("completed", before + 2)
    lots = client.results(job)[1]["results"]["lots"]
    assert {each["status"] for each in lots} == {"completed"}

"""Every slot for single lots is taken, in every process: a 503 at once, and the rest goes on."""

import json
import signal
from contextlib import contextmanager, suppress
from http.client import HTTPException
from itertools import count
from threading import Thread

import pytest
import requests

from config import Config
from tests import running
from tests.acceptance.client import Client, canonical, lot, sign
from tests.faults.processes import signalled, workers
from tests.waiting import until

PROCESSES = 2
SLOTS = Config.max_sync_per_process
NUMBERS = count()


@pytest.fixture(scope="module")
def service(folder, database_url, simulator, photos):
    environ = {
        "DATABASE_URL": database_url,
        "OPENAI_BASE_URL": simulator.base_url,
        "ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{photos.port}",
        "WEB_CONCURRENCY": str(PROCESSES),
    }
    with running.service(folder, environ) as started:
        yield started


@pytest.fixture(scope="module")
def full(service, simulator, photos):
    """The service when each of its processes waits for OpenAI in all its slots."""
    simulator.add_rule(on="chat", do="hang")
    processes = until(lambda: both(workers(service)), what="both processes run")
    held = []
    for number, process in enumerate(processes, start=1):
        with only(process, processes):  # so it makes no difference who is dealt a connection
            held += [Thread(target=hold, args=(service, photos)) for _ in range(SLOTS)]
            for thread in held[-SLOTS:]:
                thread.start()
            until(lambda: asked(simulator) == number * SLOTS, seconds=60, what="all slots are held")  # noqa: B023 - called at once
    yield service
    service.process.kill()
    for thread in held:
        thread.join()


def both(found):
    return found if len(found) == PROCESSES else None


@contextmanager
def only(process, processes):
    """Meanwhile the other processes accept no connections."""
    others = [each for each in processes if each != process]
    signalled(others, signal.SIGSTOP)
    try:
        yield
    finally:
        signalled(others, signal.SIGCONT)


def hold(service, photos):
    """Order a lot that OpenAI never describes, until that takes a slot or the service ends."""
    with suppress(OSError, HTTPException):
        while order(service, photos).status_code == 503:
            pass


def order(service, photos, seconds=300):
    lots = [lot("a", photos.url(f"/1.jpg?{next(NUMBERS)}"))]
    signature = sign(service.shared_key, canonical(lots))
    body = {"version": "1.0.0", "languages": ["en"], "lots": lots, "signature": signature}
    url = f"{service.base_url}/api/v1/generate-descriptions"
    return requests.request("POST", url, json=body, timeout=seconds)


def asked(simulator):
    return len(json.loads(running.get(f"http://127.0.0.1:{simulator.port}/simulator/firings")[1]))


def test_the_next_lot_is_refused_and_told_when_to_come_again(full, photos, simulator):
    answers = [order(full, photos, seconds=60) for _ in range(10)]
    assert {(each.status_code, each.json()["error"]) for each in answers} == {(503, "busy")}
    assert all(int(each.headers["Retry-After"]) > 0 for each in answers)
    assert asked(simulator) == PROCESSES * SLOTS


def test_polling_jobs_and_health_go_on(full, photos):
    client = Client(full)
    pair = [lot(name, photos.url("/1.jpg")) for name in "ab"]
    for _ in range(10):
        job_id = client.job(pair)
        assert client.status(job_id)["job_id"] == job_id
        assert running.get(f"{full.base_url}/health")[0] == 200

"""GET /metrics of two Gunicorn processes tells what was sent to both of them together."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import pytest

from tests import exposition, promtool, running
from tests.acceptance.client import Client, lot
from tests.faults.processes import signalled, workers
from tests.servers import Reply
from tests.waiting import until

# METRICS_SENT=5 sends five times as much.
SCALE = int(os.environ.get("METRICS_SENT", "1"))
SYNC, REFUSED, REPLAYS, JOBS, FAILING, BAD, POLLS = (
    SCALE * n for n in (40, 10, 10, 15, 5, 20, 100)
)
REFUSE = "the model will refuse this"
GENERATE = "/api/v1/generate-descriptions"
OUR_SIX = {
    ("generation_requests_total", "mode"): {"sync", "batch"},
    ("generation_duration_seconds_count", "mode"): {"sync", "batch"},
    ("openai_api_errors_total", "api"): {"vision", "translation"},
    ("webhook_deliveries_total", "status"): {"success", "failed"},
    ("batch_jobs_total", "status"): {"pending", "processing", "completed", "failed"},
    ("database_operations_total", "operation"): {"create", "read", "update"},
}


@pytest.fixture(scope="module")
def client(service):
    return Client(service)


def text_of(service):
    status, text = running.get(f"{service.base_url}/metrics")
    assert status == 200, text
    return text.decode()


def scrape(service):
    return exposition.read(text_of(service))


@contextmanager
def only(service, wanted: int) -> Iterator[None]:
    """Let the other workers rest, so that it is this one who answers."""
    others = [pid for pid in workers(service) if pid != wanted]
    signalled(others, signal.SIGSTOP)
    try:
        yield
    finally:
        signalled(others, signal.SIGCONT)


def counted(found):
    """What only requests, jobs and deliveries change."""
    families = {"generation_requests_total", "batch_jobs_total", "webhook_deliveries_total"}
    families |= {"openai_api_errors_total", "generation_duration_seconds_count"}
    return {series: value for series, value in found.values.items() if series[0] in families}


def order(client, url, photos, receiver):
    """Send requests of every kind, many at once."""
    photo, broken = photos.url("/1.jpg"), {"webhook": receiver.url("/broken")}
    hook = {"webhook": receiver.url("/hook")}
    unsigned = {"signature": "0" * 64, "version": "1.0.0", "languages": ["en"], "lots": []}

    def one(name, **more):
        return client.generate([lot(name, photo, **more)], ["en", "ru"])[0]

    def job(name, **more):
        return client.job([lot(f"{name}-{k}", photo, **more) for k in range(2)])

    with ThreadPoolExecutor(8) as pool:
        sync = [pool.submit(one, f"sync-{n}") for n in range(SYNC)]
        refused = [pool.submit(one, f"refused-{n}", additional_info=REFUSE) for n in range(REFUSED)]
        jobs = [pool.submit(job, f"job-{n}", **hook) for n in range(JOBS)]
        hopeless = {**broken, "additional_info": REFUSE}
        failing = [pool.submit(job, f"failing-{n}", **hopeless) for n in range(FAILING)]
        bad = [pool.submit(running.post, url, unsigned) for _ in range(BAD)]
        ids = [each.result() for each in (*jobs, *failing)]
        polls = [pool.submit(client.status, ids[n % len(ids)]) for n in range(POLLS)]
        assert {each.result() for each in sync} == {200}
        assert {each.result() for each in refused} == {500}
        assert {each.result()[0] for each in bad} == {403}
        assert {each.result()["job_id"] for each in polls} <= set(ids)
        assert {pool.submit(one, f"sync-{n}").result() for n in range(REPLAYS)} == {200}


@pytest.fixture(scope="module")
def before(service):
    return scrape(service)


@pytest.fixture(scope="module")
def after(service, client, photos, receiver, simulator, before):
    assert before.value("generation_requests_total", mode="sync") == 0
    receiver.replies = {"/hook": Reply(status=200), "/broken": Reply(status=500)}
    simulator.add_rule(on=["chat", "line"], do="refuse", match={"body": REFUSE})
    order(client, service.base_url + GENERATE, photos, receiver)

    def deliveries():
        return scrape(service).total("webhook_deliveries_total")

    until(lambda: deliveries() == JOBS + FAILING, seconds=90, what="all deliveries have ended")
    return scrape(service)


def test_the_six_are_there_from_the_start(before):
    for (name, label), values in OUR_SIX.items():
        found = {
            dict(labels)[label]: value for (n, labels), value in before.values.items() if n == name
        }
        assert set(found) == values
        if name != "database_operations_total":
            assert set(found.values()) == {0.0}


def test_generations_are_counted_as_they_were_sent(after):
    assert after.value("generation_requests_total", mode="sync") == SYNC + REFUSED + REPLAYS
    assert after.value("generation_requests_total", mode="batch") == JOBS + FAILING
    assert after.value("generation_replays_total", mode="sync") == REPLAYS
    assert after.value("generation_duration_seconds_count", mode="sync") == SYNC
    assert after.value("generation_duration_seconds_count", mode="batch") == JOBS


def test_jobs_are_counted_by_what_became_of_them(after):
    statuses = {"pending": JOBS + FAILING, "processing": JOBS + FAILING}
    for status, jobs in (statuses | {"completed": JOBS, "failed": FAILING}).items():
        assert after.value("batch_jobs_total", status=status) == jobs


def test_webhooks_are_counted_by_how_they_ended(after):
    assert after.value("webhook_deliveries_total", status="success") == JOBS
    assert after.value("webhook_deliveries_total", status="failed") == FAILING
    assert after.value("webhook_attempts_total", status="success") == JOBS
    assert after.value("webhook_attempts_total", status="failed") == 5 * FAILING


def test_errors_of_openai_are_counted_for_the_api_they_came_from(after):
    assert after.value("openai_api_errors_total", api="vision") == REFUSED + 2 * FAILING
    assert after.value("openai_api_errors_total", api="translation") == 0


def test_texts_and_their_tokens_are_counted(after):
    assert after.total("descriptions_total", api="vision", lane="sync", result="text") == SYNC
    assert after.total("descriptions_total", api="translation", lane="sync") == SYNC
    assert after.total("descriptions_total", api="vision", lane="batch", result="text") == 2 * JOBS
    assert after.total("openai_tokens_total", api="vision", simulated="true") > 0


def test_answers_are_counted_by_route_and_status(after):
    def answers(method, route, status):
        return after.value("http_requests_total", method=method, route=route, status=status)

    assert answers("POST", GENERATE, "200") == SYNC + REPLAYS
    assert answers("POST", GENERATE, "201") == JOBS + FAILING
    assert answers("POST", GENERATE, "403") == BAD
    assert answers("POST", GENERATE, "500") == REFUSED
    assert answers("GET", "/api/v1/batch-status/<job_id>", "200") == POLLS


def test_statements_of_each_kind_are_counted(after):
    for operation in ("create", "read", "update"):
        assert after.value("database_operations_total", operation=operation) > 0


def test_every_process_gives_the_same_sums(service, after):
    for pid in workers(service):
        with only(service, pid):
            assert counted(scrape(service)) == counted(after)


def test_every_process_is_seen(service, after):
    seen = {
        dict(labels)["pid"]
        for name, labels in after.values
        if name == "process_resident_memory_bytes"
    }
    assert seen == {str(pid) for pid in (*workers(service), service.process.child.pid)}


@pytest.mark.usefixtures("after")
@pytest.mark.parametrize("faults", promtool.also(exposition.faults, promtool.faults_of_metrics))
def test_the_exposition_keeps_the_rules_of_prometheus(service, faults):
    assert faults(text_of(service)) == []


@pytest.mark.usefixtures("after")
def test_in_the_end_nothing_waits(service):
    until(lambda: scrape(service).total("queue_depth") == 0, what="all queues are empty")
    assert scrape(service).value("database_up") == 1


def test_a_killed_worker_takes_no_counts_along(service, client, photos, after):
    victim = workers(service)[0]
    with only(service, victim):  # it has counted something that nobody else has
        client.generate([lot(uuid4().hex, photos.url("/1.jpg"))])
    known = counted(scrape(service))
    os.kill(victim, signal.SIGKILL)
    until(lambda: len({*workers(service)} - {victim}) == 2, what="there are two again")
    service.wait_until_healthy()
    found = scrape(service)
    assert counted(found) == known
    client.generate([lot(uuid4().hex, photos.url("/1.jpg"))])
    sync = after.value("generation_requests_total", mode="sync")
    assert scrape(service).value("generation_requests_total", mode="sync") == sync + 2

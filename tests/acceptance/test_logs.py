"""The log of a running service: what happened, to whom it belongs, and nothing else in between."""

import json
import os
import re
import signal
from uuid import uuid4

import pytest

from tests import running
from tests.acceptance.client import Client, lot
from tests.faults.processes import workers
from tests.servers import Reply
from tests.waiting import until

LEVELS = {
    "request": "info",
    "job_accepted": "info",
    "job_completed": "info",
    "job_cancelled": "info",
    "job_failed": "error",
    "openai_batch_submitted": "info",
    "openai_batch_settled": "info",
    "openai_error": "error",
    "openai_lines_failed": "error",
    "images_unreachable": "warning",
    "webhook_delivered": "info",
    "webhook_attempt_failed": "warning",
    "webhook_failed": "warning",
    "request_failed": "error",
}
REFUSED, BUSY = "the model will refuse this", "OpenAI will be busy"


class Log:
    """The lines of a service, parsed."""

    def __init__(self, service):
        self._service = service

    def lines(self):
        return [json.loads(line) for line in self._service.process.output().splitlines()]

    def of(self, event, **fields):
        return [
            line
            for line in self.lines()
            if line["event"] == event and fields.items() <= line.items()
        ]


@pytest.fixture(scope="module")
def client(service):
    return Client(service)


@pytest.fixture(scope="module")
def world(service, client, photos, receiver, simulator):
    """A log of everything that may happen to lots, jobs and webhooks; jobs by their names."""
    receiver.replies = {"/hook": Reply(status=200), "/broken": Reply(status=500)}
    simulator.add_rule(on=["chat", "line"], do="refuse", match={"body": REFUSED})
    simulator.add_rule(on="chat", do="status", status=429, match={"body": BUSY}, times=1)
    photo = photos.url("/1.jpg")

    def job(hook, count=2, **more):
        hook = receiver.url(hook)
        return client.job([lot(f"lot-{n}", photo, webhook=hook, **more) for n in range(count)])

    client.generate([lot("one", photo, photo, photo, photo, photos.url("/gone.jpg"))])
    client.generate([lot("busy", photo, additional_info=BUSY)])
    client.generate([lot("refused", photo, additional_info=REFUSED)])
    simulator.add_rule(on="retrieve", do="slow", seconds=0.2)
    jobs = {"good": job("/hook"), "bad": job("/broken", additional_info=REFUSED)}
    gone = [photo, photos.url("/2.png"), photos.url("/3.webp"), photos.url("/gone.jpg")]
    jobs["gone"] = client.job([lot(f"lot-{n}", *gone) for n in range(2)])
    for job_id in jobs.values():
        client.finished(job_id)
    jobs["cancelled"] = job("/hook", 3)
    client.cancel(jobs["cancelled"])
    log = Log(service)
    until(lambda: log.of("webhook_failed"), seconds=60, what="the broken webhook is given up")
    until(lambda: len(log.of("webhook_delivered")) == 2, what="the good ones are delivered")
    return log, jobs


def test_every_line_is_an_object_with_event_level_and_time(world):
    log, _ = world
    for line in log.lines():
        assert {"event", "level", "timestamp"} <= line.keys(), line


def test_every_event_has_its_level(world):
    log, _ = world
    for event, level in LEVELS.items():
        assert {line["level"] for line in log.of(event)} == {level}, event


def test_every_request_has_one_line(service, world):
    log, _ = world
    request_id = uuid4().hex
    running.get(f"{service.base_url}/nothing", {"X-Request-Id": request_id})
    [line] = until(lambda: log.of("request", request_id=request_id), what="the line is there")
    assert (line["method"], line["path"], line["route"]) == ("GET", "/nothing", "unknown")
    assert (line["status"], line["code"]) == (404, "not_found")
    assert (line["duration_ms"] >= 0, line["bytes"] > 0) == (True, True)


def test_a_request_s_line_names_client_route_and_what_it_was_about(world):
    log, jobs = world
    asked = log.of("request", route="/api/v1/batch-status/<job_id>", job=jobs["good"])
    assert {line["client"] for line in asked} == {"default"}
    [posted] = log.of("request", status=201, job=jobs["good"])
    assert posted["route"] == "/api/v1/generate-descriptions"
    [one] = log.of("request", status=200, lot="one")
    assert one["client"] == "default"


def test_what_happens_within_a_request_carries_its_ids(world):
    log, _ = world
    [unreachable] = log.of("images_unreachable", lot="one")
    [busy] = log.of("openai_error", lot="busy")
    [refused] = log.of("request_failed", lot="refused")
    assert all(line["request_id"] for line in (unreachable, busy, refused))
    assert (busy["api"], busy["code"]) == ("vision", "openai_rate_limited")
    assert (unreachable["lots"], unreachable["images"]) == (1, 1)


def test_a_job_is_told_from_its_acceptance_to_its_end(world):
    log, jobs = world
    assert len(log.of("job_accepted", job=jobs["good"], lots=2)) == 1
    assert len(log.of("job_completed", job=jobs["good"], lots=2, failed_lots=0)) == 1
    assert len(log.of("job_failed", job=jobs["bad"], lots=2, failed_lots=2)) == 1
    assert len(log.of("job_cancelled", job=jobs["cancelled"])) == 1


def test_missing_photos_of_a_job_are_summed_up(world):
    log, jobs = world
    lines = log.of("images_unreachable", job=jobs["gone"])
    assert sum(line["lots"] for line in lines) == 2
    assert sum(line["images"] for line in lines) == 2


def test_lines_of_openai_batches_name_them_and_their_stage(world):
    log, _ = world
    for event, stage in (
        ("openai_batch_submitted", "submit"),
        ("openai_batch_ended", "poll"),
        ("openai_lines_failed", "collect"),
        ("openai_batch_settled", "collect"),
    ):
        for line in log.of(event):
            assert line["stage"] == stage
            assert line["openai_batch"]
            assert line["openai_id"].startswith("batch_")
    assert sum(line["codes"]["openai_refused"] for line in log.of("openai_lines_failed")) == 2


def test_lines_of_deliveries_name_them_and_their_job(world):
    log, jobs = world
    [delivered] = log.of("webhook_delivered", job=jobs["good"])
    attempts = log.of("webhook_attempt_failed", job=jobs["bad"])
    [failed] = log.of("webhook_failed", job=jobs["bad"])
    assert delivered["delivery"] != failed["delivery"]
    assert {line["delivery"] for line in attempts} == {failed["delivery"]}
    assert [line["attempt"] for line in (*attempts, failed)] == [1, 2, 3, 4, 5]


def test_gunicorn_s_own_lines_are_like_all_others(service, world):
    log, _ = world
    os.kill(workers(service)[0], signal.SIGKILL)
    until(
        lambda: [line for line in log.lines() if line.get("logger") == "gunicorn.error"],
        what="Gunicorn tells of the worker's end",
    )


@pytest.fixture
def for_people(tmp_path, service):
    environ = {**service.environ, "PORT": str(running.free_port()), "LOG_FORMAT": "console"}
    with running.service(tmp_path, environ) as started:
        yield started


def test_a_log_for_people_has_a_line_an_event_too(for_people):
    running.get(f"{for_people.base_url}/a%0A2026-01-01T00:00:00Z%20forged%1B%5B2J")
    os.kill(workers(for_people)[0], signal.SIGKILL)
    until(lambda: "SIGKILL" in for_people.process.output(), what="Gunicorn tells of it")
    for line in for_people.process.output().splitlines():
        assert re.match(r"\d{4}-\d\d-\d\dT\S+Z \[(info|warning|error)\s*\] [^\x1b]+$", line), line

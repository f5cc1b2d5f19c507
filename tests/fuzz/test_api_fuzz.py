"""A short, always equal run of what `python -m tests.fuzz` does for minutes."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from flask import Flask, request
from werkzeug.serving import WSGIRequestHandler, make_server

from generation_service.api.openapi import document
from tests.events import SECRET
from tests.fuzz.command import RATE_LIMITS, schemathesis
from tests.fuzz.sender import DELIVERIES, ENDPOINTS, JOBS, OWN_JOBS
from tests.integration.api_service import KEY, serving

Seen = Counter[tuple[str, int]]


class Quiet(WSGIRequestHandler):
    def log(self, *_arguments: object) -> None:
        """Requests are told by `seen`."""


@contextmanager
def served(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def service(engine):
    limits: dict[str, Any] = {name.lower(): int(limit) for name, limit in RATE_LIMITS.items()}
    with serving(engine, openai_webhook_secret=SECRET, **limits) as running:
        yield running


@pytest.fixture
def seen(service) -> Seen:
    """How often each route was answered with each status."""
    counted: Seen = Counter()

    def count(response):
        if request.url_rule:
            path = request.url_rule.rule.translate({ord("<"): "{", ord(">"): "}"})
            counted[f"{request.method} {path}", response.status_code] += 1
        return response

    service.app.after_request(count)
    return counted


def known_ids(service) -> dict[str, list[str]]:
    """Jobs that have ended, one with a delivery, jobs that have not, and one for each change."""
    webhook = service.outside.url("/webhook")
    deleted, retried, ended, settled, cancelled, *active = [service.job() for _ in range(7)]
    for job in (deleted, retried, ended, settled):
        service.settle(job, failed=1)
    values = {"job": UUID(ended), "url": webhook}
    delivery = service.run(_INSERT_DELIVERY, **values).scalar_one()
    endpoint = service.run(_INSERT_ENDPOINT, **values).scalar_one()
    return {
        JOBS: [ended, settled, *active],
        **dict(zip(OWN_JOBS, ([deleted], [cancelled], [retried]), strict=True)),
        DELIVERIES: [f"{ended}/deliveries/{delivery}"],
        ENDPOINTS: [str(endpoint)],
    }


_INSERT_DELIVERY = """
    INSERT INTO webhook_deliveries (batch_job_id, client, run, webhook_url, host, part, parts,
                                    first_position, last_position)
    VALUES (:job, 'default', 1, :url, 'host', 1, 1, 0, 1) RETURNING id
"""
_INSERT_ENDPOINT = """
    INSERT INTO webhook_endpoints (client, url) VALUES ('default', :url) RETURNING id
"""


def test_generated_requests_find_no_fault_and_reach_everything(service, seen):
    world = {
        "FUZZ_KEY": KEY,
        "FUZZ_PHOTO_URL": service.outside.url("/photo.png"),
        "FUZZ_WEBHOOK_URL": service.outside.url("/webhook"),
        "FUZZ_IDS": json.dumps(known_ids(service)),
    }
    options = ["--phases", "examples,fuzzing", "--max-examples", "12", "--seed", "8"]
    with served(service.app) as url:
        run = schemathesis(url, world, *options, captured=True)
    assert run.returncode == 0, run.stdout
    described = {
        f"{method.upper()} {path}"
        for path, methods in document()["paths"].items()
        for method in methods
    }
    assert {route for route, status in seen if status < 300} == described

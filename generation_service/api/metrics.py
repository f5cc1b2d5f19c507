"""GET /metrics (docs/api.md §9, docs/operations/metrics.md)."""

import hmac
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import Final

from flask import Blueprint, Request, Response, request
from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import Engine

from generation_service.api.guards import Guards
from generation_service.api.health import Latest
from generation_service.api.senders import asked_host
from generation_service.core.errors import ServiceError
from generation_service.core.limits import (
    METRICS_FRESH_SECONDS,
    METRICS_PATIENCE_SECONDS,
    METRICS_STATEMENT_SECONDS,
)
from generation_service.db import measurements, queues
from generation_service.db.engine import limit_statements
from generation_service.telemetry.exposition import CONTENT_TYPE, exposition

_BEARER: Final = "bearer "
_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
_NOT_OPEN: Final = (
    "Without METRICS_TOKEN only this machine may read the metrics, and not through a proxy. "
    "Set METRICS_TOKEN, and send it as Authorization: Bearer <token>."
)
_WRONG: Final = "Send METRICS_TOKEN as Authorization: Bearer <token>."


@dataclass(frozen=True, slots=True)
class Reading:
    """What the database says of the work, at one moment."""

    queues: list[queues.Queue]
    jobs: Mapping[str, int]
    openai_batches: list[tuple[str, str, int]]
    heartbeats: Mapping[str, float]


def blueprint(engine: Engine, guards: Guards, token: str | None, version: str) -> Blueprint:
    """`token` opens the page; None: the machine itself may read it."""
    routes = Blueprint("metrics", __name__)
    allowed = _from_here if token is None else partial(_has_token, guards, token)
    database = Latest(
        partial(_read, engine), fresh=METRICS_FRESH_SECONDS, patience=METRICS_PATIENCE_SECONDS
    )

    @routes.get("/metrics")
    def metrics() -> Response:
        allowed(request)
        document = exposition(version, families(database.get()))
        return Response(document, content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})

    return routes


def _has_token(guards: Guards, token: str, request: Request) -> None:
    header = request.headers.get("Authorization", "")
    presented = header[len(_BEARER) :].strip() if header.lower().startswith(_BEARER) else ""
    if not hmac.compare_digest(presented.encode(), token.encode()):
        guards.refuse(request, "invalid_metrics_token", _WRONG)


def _from_here(request: Request) -> None:
    """Let nobody in who is elsewhere, or may be: a proxy on this machine has a peer of its own.

    A proxy that says nothing of itself may still pass on the name that was asked for, as does a
    browser that was led to a name which means this machine. nginx, as it comes, tells neither, but
    speaks HTTP/1.0, which Prometheus does not.
    """
    old = request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0"
    forwarded = old or any(name in request.headers for name in _FORWARDED)
    name = asked_host(request)
    asked_here = name == "localhost" or _is_loopback(name)
    if forwarded or not asked_here or not _is_loopback(request.remote_addr or ""):
        raise ServiceError("metrics_not_open", _NOT_OPEN)


def _is_loopback(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _read(engine: Engine) -> Reading:
    with engine.connect() as connection:
        limit_statements(connection, METRICS_STATEMENT_SECONDS)
        return Reading(
            queues=queues.queues(connection),
            jobs=queues.jobs_under_way(connection),
            openai_batches=queues.openai_batches_under_way(connection),
            heartbeats=measurements.youngest_heartbeats(connection),
        )


_Values = Iterator[tuple[tuple[str, ...], float]]


def families(reading: Reading | None) -> Iterator[Metric]:
    """What is known; without the database, that it is down."""
    yield _gauge(
        "database_up",
        "Whether the database answered within 2 s; everything read from it is left out if not.",
        (),
        lambda: iter([((), float(reading is not None))]),
    )
    if reading is not None:
        yield from _read_families(reading)


def _read_families(reading: Reading) -> Iterator[Metric]:
    yield _gauge(
        "queue_depth",
        "What waits: lots for their photos, requests for OpenAI or in its hands, deliveries.",
        ("queue",),
        lambda: (((queue.name,), queue.depth) for queue in reading.queues),
    )
    yield _gauge(
        "queue_oldest_seconds",
        "How long the oldest in the queue has waited; 0 for an empty one.",
        ("queue",),
        lambda: (((queue.name,), queue.oldest_seconds or 0.0) for queue in reading.queues),
    )
    yield _gauge(
        "batch_jobs_under_way",
        "Jobs that have not ended, by their status.",
        ("status",),
        lambda: (((status,), jobs) for status, jobs in sorted(reading.jobs.items())),
    )
    yield _gauge(
        "openai_batches_open",
        "OpenAI batches that are not settled, by our status.",
        ("api", "status"),
        lambda: (((kind, status), number) for kind, status, number in reading.openai_batches),
    )
    yield _gauge(
        "stage_heartbeat_age_seconds",
        "Since the last sign of life of a background stage, in whichever process it was.",
        ("stage",),
        lambda: (((stage,), age) for stage, age in sorted(reading.heartbeats.items())),
    )


def _gauge(
    name: str, what: str, labels: tuple[str, ...], values: Callable[[], _Values]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, what, labels=labels)
    for label_values, value in values():
        family.add_metric(label_values, value)
    return family

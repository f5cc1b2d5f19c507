"""The overview: how much is done and waits, what it costs, what fails, and who is at work."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Final

from flask import Blueprint, render_template, request
from sqlalchemy import Connection

from generation_service.admin import overview_charts
from generation_service.admin.overview_charts import SPANS
from generation_service.api.database import request_transaction
from generation_service.core.limits import ADMIN_OVERVIEW_SECONDS, HEARTBEAT_STALE_SECONDS
from generation_service.db import admin_endpoints, admin_overview, measurements, queues, usage
from generation_service.db.measurements import Heartbeat
from generation_service.db.operations import now as database_now
from generation_service.pipeline.resources import Resources

_OURS: Final = ("images", "vision", "translation")
"""The queues of what waits for the service itself."""
_BEATS_SECONDS: Final = 30.0
"""Each process notes every ten seconds that its quick stages tick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What matters at the moment; costs are in nanodollars, of the day that is under way in UTC."""

    jobs: Mapping[str, int]
    lots: int
    oldest_seconds: float | None
    """How long the first of what waits for the service has waited."""
    deliveries: int
    paused_deliveries: int
    paused_endpoints: int
    spent: int
    simulated: int

    @property
    def active_jobs(self) -> int:
        return sum(self.jobs.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """`newest` is the stage that has ticked last, `oldest` the one that has not for longest."""

    name: str
    newest: Heartbeat
    oldest: Heartbeat

    @property
    def state(self) -> str:
        """Judged as /health does it; a process that does not beat at all is gone."""
        if self.newest.age_seconds > _BEATS_SECONDS:
            return "gone"
        return "ticking" if self.oldest.age_seconds < HEARTBEAT_STALE_SECONDS else "stuck"


def add(routes: Blueprint, resources: Resources) -> None:
    engine = resources.engine

    @routes.get("/overview")
    def overview() -> str:
        span = SPANS.get(request.args.get("span", ""), SPANS["day"])
        with request_transaction(engine) as connection:
            now = database_now(connection)
            figures = _figures(connection, now)
            processes = _processes(measurements.heartbeats(connection))
            charts = overview_charts.charts(connection, now, span)
        return render_template(
            "admin/overview.html",
            figures=figures,
            processes=processes,
            charts=charts,
            span=span,
            spans=SPANS.values(),
            poll_seconds=ADMIN_OVERVIEW_SECONDS,
        )


def _figures(connection: Connection, now: datetime) -> Figures:
    waiting = {queue.name: queue for queue in queues.queues(connection)}
    ages = [waiting[name].oldest_seconds for name in _OURS if waiting[name].depth]
    spent = usage.since(connection, now.astimezone(UTC).date())
    costs = {True: 0, False: 0}
    for account, tally in spent.items():
        costs[account.simulated] += tally.charge.cost_nanos
    return Figures(
        jobs=queues.jobs_under_way(connection),
        lots=admin_overview.lots_waiting(connection),
        oldest_seconds=max((age for age in ages if age is not None), default=None),
        deliveries=waiting["deliveries"].depth,
        paused_deliveries=waiting["paused"].depth,
        paused_endpoints=admin_endpoints.tally(connection).paused,
        spent=costs[False],
        simulated=costs[True],
    )


def _processes(beats: Iterable[Heartbeat]) -> list[Process]:
    """Those at work first, then those that ticked last."""
    grouped = {name: list(group) for name, group in groupby(beats, attrgetter("process"))}
    age = attrgetter("age_seconds")
    found = [
        Process(name=name, newest=min(group, key=age), oldest=max(group, key=age))
        for name, group in grouped.items()
    ]
    return sorted(
        found, key=lambda process: (process.newest.age_seconds // _BEATS_SECONDS, process.name)
    )

"""The scheduler thread: a clock that ticks the stages of this process.

Every process may run one; claims divide the work between them. A stage that found work is ticked
again at once, so a job moves on as fast as the stages can go; an idle one looks once a second.
"""

import os
import socket
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from structlog.contextvars import bound_contextvars

from generation_service.core.limits import HEARTBEAT_STALE_SECONDS
from generation_service.db import operations
from generation_service.pipeline import (
    collect,
    deliver,
    direct,
    lanes,
    measure,
    pack,
    poll,
    probe,
    submit,
    sweep,
)
from generation_service.pipeline.check_models import check_models
from generation_service.pipeline.resources import Beat, Resources
from generation_service.telemetry import metrics

_log = structlog.get_logger()
TICK_SECONDS = 0.5
_BEAT_SECONDS = 10.0
_STOP_SECONDS = 30.0
_ASK_AGAIN = timedelta(minutes=1)

Stage = Callable[[Resources, Beat], bool]

STAGES: Mapping[str, Stage] = {
    "probe": probe.tick,
    "lanes": lanes.tick,
    "pack": pack.tick,
    "submit": submit.tick,
    "poll": poll.tick,
    "collect": collect.tick,
    "direct": direct.tick,
    "deliver": deliver.tick,
    "sweep": sweep.tick,
    "measure": measure.tick,
}

# Seconds between the ticks of stages that need not look as often as the others.
_INTERVALS: Mapping[str, float] = {
    "lanes": lanes.EVERY_SECONDS,
    "sweep": sweep.EVERY_SECONDS,
    "measure": measure.EVERY_SECONDS,
}

# Whose work may have come into being by a stage's work: it looks at once, not at its next tick.
WAKES: Mapping[str, tuple[str, ...]] = {
    "probe": ("pack", "direct", "deliver"),
    "lanes": ("submit", "poll", "direct", "deliver"),
    "pack": ("submit",),
    "submit": (),
    "poll": ("collect",),
    "collect": ("pack", "direct", "probe", "deliver"),
    "direct": ("probe", "deliver"),
    "deliver": (),
    "sweep": (),
    "measure": (),
}


class Worker:
    """Runs the stages of one process until it is stopped."""

    def __init__(self, resources: Resources, revive: Callable[[], object]) -> None:
        """`revive` is called when the database is gone: it may be ours to start again."""
        self._resources = resources
        self._revive = revive
        self._process = f"{socket.gethostname()}:{os.getpid()}"
        self._stopping = threading.Event()
        self._ticked: dict[str, float] = {}
        self._stored: dict[str, float] = {}
        self._idle = threading.Condition()
        self._running = 0
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(len(STAGES) + 1)},
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
            timezone=UTC,
        )

    def start(self) -> None:
        metrics.stages_known(list(STAGES))
        for name, stage in STAGES.items():
            self._ticked[name] = monotonic()
            self._scheduler.add_job(
                partial(self._run, name, stage),
                "interval",
                seconds=_INTERVALS.get(name, TICK_SECONDS),
                id=name,
                next_run_time=datetime.now(UTC),
            )
        self._scheduler.add_job(self._check_models)
        self._scheduler.start()

    def stop(self) -> None:
        """Let the ticks that run finish what they do, up to 30 s; the rest is left to leases."""
        self._stopping.set()
        self._scheduler.shutdown(wait=False)
        with self._idle:
            self._idle.wait_for(lambda: not self._running, timeout=_STOP_SECONDS)
        try:
            measure.book_remembered(self._resources)
            measure.write_errors(self._resources)
        except SQLAlchemyError as error:  # they are in the log, and the errors were in /metrics
            _log.warning("measures_not_written", reason=str(error).splitlines()[0])

    def is_ticking(self) -> bool:
        """Whether every stage has ticked, or beaten during a long tick, in the last 60 s."""
        oldest = min(self._ticked.values(), default=None)
        return oldest is not None and monotonic() - oldest < HEARTBEAT_STALE_SECONDS

    def _check_models(self) -> None:
        now = datetime.now(UTC)
        if not check_models(self._resources, now.date()) and not self._stopping.is_set():
            self._scheduler.add_job(self._check_models, "date", run_date=now + _ASK_AGAIN)

    def _run(self, name: str, stage: Stage) -> None:
        with self._idle:
            self._running += 1
        try:
            while not self._stopping.is_set() and self._tick(name, stage):
                pass
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def _tick(self, name: str, stage: Stage) -> bool:
        with bound_contextvars(stage=name), metrics.stage_tick(name) as tick:
            return self._ticked_once(name, stage, tick)

    def _ticked_once(self, name: str, stage: Stage, tick: metrics.Tick) -> bool:
        try:
            self._beat(name)
            worked = stage(self._resources, partial(self._beat, name))
            tick.ended(worked=worked)
        except SQLAlchemyError as error:
            # Without its trace: while the database is away every tick says so.
            _log.error("stage_failed", reason=str(error).splitlines()[0])
            self._revive_database(error)
            return False
        except Exception:  # noqa: BLE001 - a fault in one stage must not stop the clock
            _log.exception("stage_failed")
            return False
        if worked:
            self._wake(WAKES[name])
        return worked

    def _revive_database(self, error: SQLAlchemyError) -> None:
        if isinstance(error, OperationalError):
            try:
                self._revive()
            except Exception:  # noqa: BLE001 - the next tick tries again
                _log.exception("database_not_revived")

    def _wake(self, names: tuple[str, ...]) -> None:
        for name in names:
            if not self._stopping.is_set():
                self._scheduler.modify_job(name, next_run_time=datetime.now(UTC))

    def _beat(self, name: str) -> bool:
        """Note that a stage is alive, every ten seconds for operators too; False: wind up."""
        now = self._ticked[name] = monotonic()
        if now - self._stored.get(name, -_BEAT_SECONDS) >= _BEAT_SECONDS:
            with self._resources.engine.begin() as connection:
                operations.beat(connection, self._process, name)
            self._stored[name] = now
        return not self._stopping.is_set()

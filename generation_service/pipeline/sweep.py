"""Removes what was only kept for a time: answers, signatures, windows of limits, heartbeats, jobs.

What a client has deleted is erased here, too: it is gone for everybody already, but no request
could wait for the end of that.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial

import structlog
from sqlalchemy import Connection

from generation_service.db import deletion, erasure, expiry
from generation_service.pipeline.resources import Beat, Resources
from generation_service.pipeline.transactions import transaction

EVERY_SECONDS = 30.0
"""Half of what a stage may be silent for before health calls it stopped."""

_ROWS = 1_000
_ERASED_ROWS = 5_000
_OLD_JOBS = 20
_OLD_OPENAI_BATCHES = 100

_log = structlog.get_logger()
_Sweep = Callable[[Connection], bool]
"""Removes some rows; True when there may be more."""


def tick(resources: Resources, beat: Beat) -> bool:
    """Remove some rows of each kind, in short transactions; True when there may be more."""
    more = False
    for sweep in _sweeps(resources):
        more |= transaction(resources.engine, sweep)
        if not beat():
            return False
    return more


def _sweeps(resources: Resources) -> Iterator[_Sweep]:
    retention_days = resources.settings.retention_days
    for table in expiry.EXPIRED:
        yield partial(_expired, table=table)
    if retention_days:
        yield partial(_old_jobs, days=retention_days)
        yield partial(_old_openai_batches, days=retention_days)
    yield partial(_deleted, calls_over=resources.outage.is_over(time.monotonic()))


def _expired(connection: Connection, table: str) -> bool:
    return expiry.delete_expired(connection, table, limit=_ROWS) == _ROWS


def _old_jobs(connection: Connection, days: int) -> bool:
    deleted = deletion.delete_old(connection, days=days, limit=_OLD_JOBS)
    for job_id in deleted:
        _log.info("job_retired", job=str(job_id), days=days)
    return len(deleted) == _OLD_JOBS


def _old_openai_batches(connection: Connection, days: int) -> bool:
    limit = _OLD_OPENAI_BATCHES
    return deletion.delete_old_openai_batches(connection, days=days, limit=limit) == limit


def _deleted(connection: Connection, *, calls_over: bool) -> bool:
    return erasure.erase_some(connection, limit=_ERASED_ROWS, calls_over=calls_over)

"""What the service counts, one call for each thing that happens.

Counts are a process's own and begin at zero when the service starts; those of several processes are
added up when somebody asks (shared_counts.py).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from time import monotonic
from typing import Final

from prometheus_client import Counter, Histogram

from generation_service.core.charges import Account, Tally
from generation_service.core.status import JobStatus
from generation_service.telemetry import families
from generation_service.telemetry.statements import operation_of

# Looked up once: these are counted thousands of times a second.
_REACHABLE: Final = families.PHOTOS.labels("reachable")
_UNREACHABLE: Final = families.PHOTOS.labels("unreachable")
_OPERATIONS: Final = {name: families.DATABASE.labels(name) for name in families.OPERATIONS}
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def generation_answered(mode: str, seconds: float, *, replayed: bool) -> None:
    """A request for descriptions got its 200 or 201."""
    families.GENERATIONS.labels(mode).inc()
    if replayed:
        families.REPLAYS.labels(mode).inc()
    elif mode == "sync":
        families.DURATIONS.labels(mode).observe(seconds)


def generation_failed(mode: str) -> None:
    """OpenAI failed a request that the service had taken on."""
    families.GENERATIONS.labels(mode).inc()


def openai_error(api: str, times: int = 1) -> None:
    families.OPENAI_ERRORS.labels(api).inc(times)


def billed(account: Account, tally: Tally) -> None:
    """Answers were booked to an account."""
    whose = (account.kind, account.lane, account.model, str(account.simulated).lower())
    charge = tally.charge
    for result, answers in (("text", tally.completed), ("no_text", tally.failed)):
        families.DESCRIPTIONS.labels(*whose, result).inc(answers)
    for direction, tokens in (
        ("input", charge.prompt_tokens - charge.cached_tokens),
        ("cached", charge.cached_tokens),
        ("output", charge.completion_tokens),
    ):
        families.TOKENS.labels(*whose, direction).inc(max(tokens, 0))
    families.COST.labels(*whose).inc(charge.cost_nanos / 10**9)


def job_became(status: JobStatus, seconds: float | None = None) -> None:
    """A job came into a status; `seconds` are its run's, when it has completed."""
    if status is JobStatus.CANCELLED:
        families.JOBS_CANCELLED.inc()
    elif status.value in families.JOB_STATUSES:
        families.JOBS.labels(status.value).inc()
    if status is JobStatus.COMPLETED and seconds is not None:
        families.DURATIONS.labels("batch").observe(seconds)


def webhook_attempted(seconds: float, *, delivered: bool) -> None:
    families.ATTEMPTS.labels("success" if delivered else "failed").inc()
    families.ATTEMPT_DURATIONS.observe(seconds)


def webhook_ended(*, delivered: bool) -> None:
    """A delivery was delivered, or given up."""
    families.DELIVERIES.labels("success" if delivered else "failed").inc()


def photo_probed(*, reachable: bool) -> None:
    (_REACHABLE if reachable else _UNREACHABLE).inc()


def database_executed(statement: str) -> None:
    operation = operation_of(statement)
    if operation is not None:
        _OPERATIONS[operation].inc()


def http_answered(method: str, route: str, status: int, seconds: float) -> None:
    """An answer left; `route` is the path's template, so that strangers can't make new series."""
    known = method if method in _METHODS else "other"
    _answers(known, route, status).inc()
    _answer_times(known, route).observe(seconds)


@lru_cache(maxsize=4096)
def _answers(method: str, route: str, status: int) -> Counter:
    return families.REQUESTS.labels(method, route, str(status))


@lru_cache(maxsize=1024)
def _answer_times(method: str, route: str) -> Histogram:
    return families.REQUEST_DURATIONS.labels(method, route)


def stages_known(names: Sequence[str]) -> None:
    """Begin the series of the stages at 0."""
    for name in names:
        families.TICK_DURATIONS.labels(name)
        for outcome in ("worked", "idle", "failed"):
            families.TICKS.labels(name, outcome)


@contextmanager
def stage_tick(stage: str) -> Iterator["Tick"]:
    """Count one run of a stage, and time it if it found work."""
    tick, began = Tick(), monotonic()
    try:
        yield tick
    finally:
        families.TICKS.labels(stage, tick.outcome).inc()
        if tick.outcome == "worked":
            families.TICK_DURATIONS.labels(stage).observe(monotonic() - began)


class Tick:
    """What came of one run of a stage; unless it is said, it failed."""

    outcome = "failed"

    def ended(self, *, worked: bool) -> None:
        self.outcome = "worked" if worked else "idle"


@contextmanager
def slot_taken() -> Iterator[None]:
    with families.SLOTS.track_inprogress():
        yield

"""Jobs whose photos were found, through every later stage: `python -m bench.course DATABASE …`.

The arguments are the database, OpenAI, a receiver of webhooks, the lots of a job, and how many
jobs. Prints the seconds of each stage as JSON, without the waits for OpenAI: those are its own.
"""

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final

import structlog
from sqlalchemy import Engine, text

from bench.simulators import wait_until_idle
from bench.stages import fill
from config import Config
from generation_service.clients.images import ImageProber
from generation_service.clients.openai_api import OpenAIClient
from generation_service.db.engine import make_engine, migrate
from generation_service.pipeline import collect, deliver, pack, poll, submit
from generation_service.pipeline.resources import Beat, Resources

_KEY: Final = "a-key-for-benchmarks-of-32-characters"
_POLL_SECONDS: Final = 0.1
_WITHIN_SECONDS: Final = 3_600.0
_DELIVERY_SECONDS: Final = 300.0
_BEFORE_OPENAI: Final[Mapping[str, Callable[[Resources, Beat], bool]]] = {
    "pack": pack.tick,
    "submit": submit.tick,
}
_AFTER_OPENAI: Final[Mapping[str, Callable[[Resources, Beat], bool]]] = {
    "poll": poll.tick,
    "collect": collect.tick,
}


def main() -> None:
    database_url, openai_url, receiver = sys.argv[1:4]
    lots, jobs = int(sys.argv[4]), int(sys.argv[5])
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    engine = make_engine(database_url)
    migrate(engine)
    for _ in range(jobs):
        fill(engine, lots, webhook_url=receiver)
    resources = _resources(engine, openai_url, receiver)
    seconds = _go_through(resources, openai_url)
    _check(engine, jobs * lots)
    print(json.dumps(seconds))


def _resources(engine: Engine, openai_url: str, receiver: str) -> Resources:
    host, _, port = receiver.split("/")[2].partition(":")
    allowed = frozenset({(host, int(port))})
    settings = Config(
        shared_key=_KEY,
        openai_base_url=openai_url,
        openai_poll_seconds=_POLL_SECONDS,
        batch_linger_seconds=0,
        allowed_private_hosts=allowed,
    )
    return Resources(
        engine=engine,
        openai=OpenAIClient(api_key="none", base_url=openai_url),
        prober=ImageProber(allowed_private=allowed),
        settings=settings,
        deployment="bench",
    )


def _go_through(resources: Resources, openai_url: str) -> dict[str, float]:
    """Every stage in turn until the jobs have ended and their webhooks are delivered."""
    seconds: defaultdict[str, float] = defaultdict(float)
    deadline = time.monotonic() + _WITHIN_SECONDS

    def idle() -> None:
        wait_until_idle(openai_url, deadline)

    while _active_jobs(resources.engine):
        for name, stage in _BEFORE_OPENAI.items():
            seconds[name] += _ticked(resources, stage, deadline, between=idle)
        idle()
        time.sleep(_POLL_SECONDS)
        for name, stage in _AFTER_OPENAI.items():
            seconds[name] += _ticked(resources, stage, deadline)
        if time.monotonic() > deadline:
            raise TimeoutError(f"jobs unfinished after {_WITHIN_SECONDS:.0f} s: {dict(seconds)}")
    seconds["deliver"] = _ticked(resources, deliver.tick, time.monotonic() + _DELIVERY_SECONDS)
    return seconds


def _ticked(
    resources: Resources,
    stage: Callable[[Resources, Beat], bool],
    until: float,
    between: Callable[[], object] = lambda: None,
) -> float:
    """Seconds until the stage finds nothing more to do; what is done between ticks doesn't count.

    A simulator at work on one OpenAI batch would slow the upload of the next, and many batches more
    than one.
    """
    seconds, worked = 0.0, True
    while worked and time.monotonic() < until:
        began = time.perf_counter()
        worked = stage(resources, lambda: time.monotonic() < until)
        seconds += time.perf_counter() - began
        between()
    return seconds


def _active_jobs(engine: Engine) -> int:
    return _counted(engine, "batch_jobs WHERE status IN ('pending', 'processing', 'translating')")


def _check(engine: Engine, lots: int) -> None:
    """Or the seconds would be those of something else."""
    done = _counted(engine, "batch_lots WHERE status = 'completed'")
    if done != lots or _counted(engine, "webhook_deliveries WHERE status <> 'delivered'"):
        raise RuntimeError(f"{done} of {lots} lots completed, or webhooks undelivered")


def _counted(engine: Engine, what: str) -> int:
    with engine.connect() as connection:
        counted: int = connection.execute(text(f"SELECT count(*) FROM {what}")).scalar_one()  # noqa: S608 - our own words
        return counted


if __name__ == "__main__":
    main()

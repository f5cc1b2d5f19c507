"""How often a client may ask, and how often an address may fail to sign (docs/api.md §7)."""

from enum import StrEnum
from math import ceil
from typing import TYPE_CHECKING, Final
from uuid import UUID

from flask import Flask, Response, g
from sqlalchemy import Connection, Engine

from generation_service.api.database import request_statement
from generation_service.core.errors import ServiceError
from generation_service.db import polls, rate_limits
from generation_service.db.job_shares import JobOpenAIBatch
from generation_service.db.jobs import Job
from generation_service.db.rate_limits import Window

if TYPE_CHECKING:
    from config import Config

HOUR: Final = 3600
MINUTE: Final = 60


class Kind(StrEnum):
    """What a request counts as."""

    SYNC = "sync"
    BATCH = "batch"
    POLLING = "polling"


class RateLimits:
    """The limits of all clients, shared by all processes through the database.

    Whatever is asked or counted for a request is noted for its answer's RateLimit-* headers, and
    beyond a limit it raises ServiceError `rate_limited` (429).
    """

    def __init__(self, engine: Engine, settings: "Config") -> None:
        self._engine = engine
        self._an_hour = {
            Kind.SYNC: settings.rate_limit_sync,
            Kind.BATCH: settings.rate_limit_batch,
            Kind.POLLING: settings.rate_limit_polling,
        }
        self._bad_signatures = settings.rate_limit_bad_signatures

    def hit(self, connection: Connection, client: str, kind: Kind) -> None:
        """Count a request of the client, in the caller's transaction."""
        limit = self._an_hour[kind]
        window = rate_limits.hit(connection, f"{kind}:{client}", limit=limit, seconds=HOUR)
        _judge(window, f"{kind} requests an hour")

    def find_job(self, client: str, job_id: UUID | None) -> tuple[Job | None, list[JobOpenAIBatch]]:
        """Count a polling request and answer it, in one exchange with the database."""
        limit = self._an_hour[Kind.POLLING]
        with request_statement(self._engine) as connection:
            window, job, batches = polls.look(
                connection,
                client,
                job_id,
                key=f"{Kind.POLLING}:{client}",
                limit=limit,
                seconds=HOUR,
            )
        _judge(window, f"{Kind.POLLING} requests an hour")
        return job, batches

    def look(self, connection: Connection, client: str, kind: Kind) -> None:
        """Tell whether a request would be within the limit; nothing is counted."""
        limit = self._an_hour[kind]
        window = rate_limits.look(connection, f"{kind}:{client}", limit=limit, seconds=HOUR)
        _judge(window, f"{kind} requests an hour")

    def poll(self, client: str) -> None:
        """Count a polling request, in a transaction of its own.

        So a 404 counts too, and a client's next request waits for the count alone.
        """
        limit = self._an_hour[Kind.POLLING]
        with request_statement(self._engine) as connection:
            window = rate_limits.hit_alone(
                connection, f"{Kind.POLLING}:{client}", limit=limit, seconds=HOUR
            )
        _judge(window, f"{Kind.POLLING} requests an hour")

    def bad_signature(self, address: str) -> None:
        """Count a request of the address that was signed badly or not at all."""
        with request_statement(self._engine) as connection:
            window = rate_limits.hit_alone(
                connection, f"bad-signature:{address}", limit=self._bad_signatures, seconds=MINUTE
            )
        _judge(window, "badly signed requests a minute")


def install(app: Flask) -> None:
    app.after_request(_add_headers)


def _judge(window: Window, what: str) -> None:
    g.rate_limit_window = window
    if not window.allowed:
        seconds = _seconds(window)
        raise ServiceError(
            "rate_limited",
            f"The limit of {window.limit:,} {what} is reached; go on in {seconds} s.",
            retry_after=seconds,
        )


def _add_headers(response: Response) -> Response:
    window: Window | None = g.get("rate_limit_window")
    if window is not None:
        for name, value in (
            ("RateLimit-Limit", window.limit),
            ("RateLimit-Remaining", window.limit - window.used),
            ("RateLimit-Reset", _seconds(window)),
        ):
            response.headers.add(name, str(value))
    return response


def _seconds(window: Window) -> int:
    """Whole seconds after which the next window has surely begun."""
    return max(ceil(window.resets_in), 1)

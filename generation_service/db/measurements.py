"""What is written down for the operator's charts, and read by them.

Samples of the queues stay for 8 days, errors for 60; what was made and paid, for ever.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from generation_service.db.statements import rows, run


@dataclass(frozen=True, slots=True)
class Sample:
    """A queue as it was at a time, or at its fullest in the stretch of time that begins then."""

    at: datetime
    queue: str
    depth: int
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True)
class ErrorHour:
    hour: datetime
    api: str
    code: str
    errors: int


@dataclass(frozen=True, slots=True)
class ThroughputHour:
    """Requests that got a text in an hour, and that failed for good or were tried again."""

    hour: datetime
    kind: str
    completed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """When a stage of a process last ticked."""

    process: str
    stage: str
    ticked_at: datetime
    age_seconds: float


def add_errors(connection: Connection, counts: Mapping[tuple[str, str], int]) -> None:
    """Add to the errors of this hour, given by API and code."""
    keys = sorted(counts)
    run(
        connection,
        """
        INSERT INTO openai_error_hours AS h (hour, api, code, errors)
        SELECT date_trunc('hour', now()), api, code, errors
        FROM unnest(CAST(:apis AS text[]), CAST(:codes AS text[]), CAST(:errors AS bigint[]))
             AS e (api, code, errors)
        ON CONFLICT (hour, api, code) DO UPDATE SET errors = h.errors + excluded.errors
        """,
        apis=[api for api, _ in keys],
        codes=[code for _, code in keys],
        errors=[counts[key] for key in keys],
    )


def samples(
    connection: Connection, *, hours: int, step_minutes: int, each_minutes: int = 1
) -> list[Sample]:
    """The fullest each queue was in each step of the last so many hours, oldest first.

    Only the samples of every so many minutes are looked at: a week has 70,000 in all.
    """
    found = rows(
        connection,
        """
        SELECT to_timestamp(floor(extract(epoch FROM at) / :step) * :step) AS began, queue,
               max(depth) AS depth, max(oldest_seconds) AS oldest_seconds
        FROM generate_series(date_trunc('hour', now()) - make_interval(hours => :hours), now(),
                             make_interval(mins => :each)) AS minute
        JOIN queue_samples ON at = minute
        WHERE at > now() - make_interval(hours => :hours)
        GROUP BY began, queue ORDER BY began, queue
        """,
        hours=hours,
        step=60 * step_minutes,
        each=each_minutes,
    )
    return [Sample(row.began, row.queue, row.depth, row.oldest_seconds) for row in found]


def errors_by_hour(connection: Connection, *, hours: int) -> list[ErrorHour]:
    """OpenAI's errors in each of the last so many hours, oldest first; hours without any lack."""
    found = rows(
        connection,
        """
        SELECT hour, api, code, errors FROM openai_error_hours
        WHERE hour > now() - make_interval(hours => :hours) ORDER BY hour, api, code
        """,
        hours=hours,
    )
    return [ErrorHour(**row._asdict()) for row in found]


def throughput_by_hour(connection: Connection, *, hours: int) -> list[ThroughputHour]:
    """Texts made in each of the last so many hours, oldest first; hours without any lack."""
    found = rows(
        connection,
        """
        SELECT hour, kind, CAST(sum(completed) AS bigint) AS completed,
               CAST(sum(failed) AS bigint) AS failed
        FROM usage_hours WHERE hour > now() - make_interval(hours => :hours)
        GROUP BY hour, kind ORDER BY hour, kind
        """,
        hours=hours,
    )
    return [ThroughputHour(**row._asdict()) for row in found]


def heartbeats(connection: Connection) -> Sequence[Heartbeat]:
    """Every stage of every process of the last day, by process."""
    found = rows(
        connection,
        """
        SELECT process, stage, ticked_at,
               CAST(extract(epoch FROM now() - ticked_at) AS float8) AS age_seconds
        FROM worker_heartbeats ORDER BY process, stage
        """,
    )
    return [Heartbeat(**row._asdict()) for row in found]


def youngest_heartbeats(connection: Connection) -> Mapping[str, float]:
    """Seconds since each stage's last tick, in whichever process that was."""
    found = rows(
        connection,
        """
        SELECT stage, CAST(extract(epoch FROM now() - max(ticked_at)) AS float8) AS age
        FROM worker_heartbeats GROUP BY stage
        """,
    )
    return {row.stage: max(row.age, 0.0) for row in found}

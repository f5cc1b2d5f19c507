"""Deliveries and their attempts, as clients and operators read them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row

from generation_service.core.status import DeliveryStatus
from generation_service.db.statements import rows, run


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """`duration_ms` covers name look-up, connection and answer."""

    attempt: int
    at: datetime
    status_code: int | None
    duration_ms: int
    error: str | None
    response: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    id: UUID
    webhook_url: str
    status: DeliveryStatus
    run: int
    part: int
    parts: int
    attempt_count: int
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    error_message: str | None
    attempts: list[Attempt] = field(default_factory=list)


_COLUMNS: Final = """
    id, webhook_url, status, run, part, parts, attempt_count, last_attempt_at, next_attempt_at,
    delivered_at, error_message
"""


def of_job(
    connection: Connection, job_id: UUID, *, limit: int, offset: int
) -> tuple[list[Delivery], int]:
    """Return one page of a job's deliveries with their attempts, and how many there are in all."""
    found = rows(
        connection,
        f"""
        SELECT {_COLUMNS} FROM webhook_deliveries WHERE batch_job_id = :job_id
        ORDER BY run DESC, webhook_url, part LIMIT :limit OFFSET :offset
        """,  # noqa: S608 - constant columns
        job_id=job_id,
        limit=limit,
        offset=offset,
    )
    total: int = run(
        connection,
        "SELECT count(*) FROM webhook_deliveries WHERE batch_job_id = :job_id",
        job_id=job_id,
    ).scalar_one()
    return _with_attempts(connection, found), total


@dataclass(frozen=True, slots=True)
class Tally:
    """How many deliveries of a run have come how far, and the newest fault among them."""

    run: int
    status: DeliveryStatus
    deliveries: int
    error_message: str | None


def tallies(connection: Connection, job_id: UUID) -> list[Tally]:
    """Return a job's deliveries counted by run and status, newest run first."""
    found = rows(
        connection,
        """
        SELECT run, status, count(*) AS deliveries,
               (array_agg(error_message ORDER BY last_attempt_at DESC)
                    FILTER (WHERE error_message IS NOT NULL))[1] AS error_message
        FROM webhook_deliveries WHERE batch_job_id = :job_id
        GROUP BY run, status ORDER BY run DESC, status
        """,
        job_id=job_id,
    )
    return [
        Tally(row.run, DeliveryStatus(row.status), row.deliveries, row.error_message)
        for row in found
    ]


def find(connection: Connection, job_id: UUID, delivery_id: UUID) -> Delivery | None:
    found = rows(
        connection,
        f"SELECT {_COLUMNS} FROM webhook_deliveries WHERE id = :id AND batch_job_id = :job_id",  # noqa: S608 - constant columns
        id=delivery_id,
        job_id=job_id,
    )
    return next(iter(_with_attempts(connection, found)), None)


def _with_attempts(connection: Connection, found: Sequence[Row[Any]]) -> list[Delivery]:
    attempts = _attempts(connection, [row.id for row in found])
    return [
        Delivery(
            **{**row._asdict(), "status": DeliveryStatus(row.status)}, attempts=attempts[row.id]
        )
        for row in found
    ]


def _attempts(connection: Connection, ids: Sequence[UUID]) -> defaultdict[UUID, list[Attempt]]:
    by_delivery: defaultdict[UUID, list[Attempt]] = defaultdict(list)
    for row in rows(
        connection,
        """
        SELECT delivery_id, attempt, at, status_code, duration_ms, error, response
        FROM webhook_attempts WHERE delivery_id = ANY(CAST(:ids AS uuid[]))
        ORDER BY delivery_id, attempt
        """,
        ids=list(ids),
    ):
        fields = row._asdict()
        by_delivery[fields.pop("delivery_id")].append(Attempt(**fields))
    return by_delivery

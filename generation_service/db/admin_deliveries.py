"""Deliveries of all clients, newest first, as operators read them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row

from generation_service.core.status import DeliveryStatus
from generation_service.db.admin_jobs import Place, ordered
from generation_service.db.statements import rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which deliveries are meant; None: no matter which."""

    status: DeliveryStatus | None = None
    client: str | None = None
    job_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDelivery:
    """`next_attempt_at` is None while it is set aside because its endpoint is paused.

    `status_code` is the last attempt's; `sending`: an attempt is under way.
    """

    id: UUID
    created_at: datetime
    job_id: UUID
    client: str
    webhook_url: str
    run: int
    part: int
    parts: int
    lots: int
    status: DeliveryStatus
    sending: bool
    attempt_count: int
    status_code: int | None
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    error_message: str | None
    endpoint_paused_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveriesPage:
    """Newest first; whether there are more on either side."""

    deliveries: list[ListedDelivery]
    has_newer: bool
    has_older: bool


_LISTED: Final = """
    SELECT d.id, d.created_at, d.batch_job_id AS job_id, d.client, d.webhook_url, d.run, d.part,
           d.parts, d.last_position - d.first_position + 1 AS lots, d.status,
           coalesce(d.lease_expires_at >= now(), false) AS sending, d.attempt_count,
           a.status_code, d.last_attempt_at, d.next_attempt_at, d.delivered_at, d.error_message,
           e.paused_at AS endpoint_paused_at
    FROM webhook_deliveries d
    LEFT JOIN webhook_attempts a ON a.delivery_id = d.id AND a.attempt = d.attempt_count
    LEFT JOIN webhook_endpoints e ON e.client = d.client AND md5(e.url) = md5(d.webhook_url)
"""


def page(
    connection: Connection, wanted: Filter, place: Place | None, *, limit: int
) -> DeliveriesPage:
    """Up to `limit` deliveries from the newest one, or from a place."""
    if place and place.newer:
        found = _chosen(connection, wanted, place, limit + 1)
        if len(found) > limit:
            return DeliveriesPage(deliveries=found[1:], has_newer=True, has_older=True)
        place = None  # near the top, the first page shows it all and more
    found = _chosen(connection, wanted, place, limit + 1)
    return DeliveriesPage(
        deliveries=found[:limit], has_newer=place is not None, has_older=len(found) > limit
    )


def _chosen(
    connection: Connection, wanted: Filter, place: Place | None, limit: int
) -> list[ListedDelivery]:
    conditions, values = _conditions(wanted)
    order = ordered(place, conditions, values)
    found = rows(
        connection,
        f"""
        WITH chosen AS (
            SELECT id FROM webhook_deliveries WHERE {" AND ".join(conditions)}
            ORDER BY created_at {order}, id {order} LIMIT :limit
        )
        {_LISTED} WHERE d.id IN (TABLE chosen) ORDER BY d.created_at DESC, d.id DESC
        """,  # noqa: S608 - put together from constants
        limit=limit,
        **values,
    )
    return [_listed(row) for row in found]


def _conditions(wanted: Filter) -> tuple[list[str], dict[str, Any]]:
    """Only those that are asked for, so that each query can use the index it needs."""
    fields = {"status": wanted.status, "client": wanted.client, "batch_job_id": wanted.job_id}
    values = {name: value for name, value in fields.items() if value is not None}
    return ["true", *(f"{name} = :{name}" for name in values)], values


def find(connection: Connection, delivery_id: UUID) -> ListedDelivery | None:
    found = rows(connection, f"{_LISTED} WHERE d.id = :id", id=delivery_id)
    return _listed(found[0]) if found else None


def _listed(row: Row[Any]) -> ListedDelivery:
    return ListedDelivery(**{**row._asdict(), "status": DeliveryStatus(row.status)})

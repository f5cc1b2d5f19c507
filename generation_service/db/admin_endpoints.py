"""Webhook endpoints of all clients, as operators read, pause and resume them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row

from generation_service.db import endpoints
from generation_service.db.statements import changed, rows, run

BY_OPERATOR: Final = "operator"
"""The `paused_reason` of an endpoint that an operator has paused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEndpoint:
    """`pending` deliveries wait for it, or for their next attempt."""

    id: UUID
    client: str
    url: str
    paused_at: datetime | None
    paused_reason: str | None
    failing_since: datetime | None
    last_success_at: datetime | None
    created_at: datetime
    pending: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    endpoints: int
    paused: int


_COLUMNS: Final = """
    e.id, e.client, e.url, e.paused_at, e.paused_reason, e.failing_since, e.last_success_at,
    e.created_at
"""


def page(connection: Connection, *, limit: int, offset: int) -> list[ListedEndpoint]:
    """Return a page of all endpoints: the paused first, then those that only fail."""
    found = rows(
        connection,
        f"""
        SELECT {_COLUMNS} FROM webhook_endpoints e
        ORDER BY paused_at DESC NULLS LAST, failing_since NULLS LAST, client, url
        LIMIT :limit OFFSET :offset
        """,  # noqa: S608 - constant columns
        limit=limit,
        offset=offset,
    )
    pending = _pending(connection, found)
    return [
        ListedEndpoint(**row._asdict(), pending=pending.get((row.client, row.url), 0))
        for row in found
    ]


def _pending(connection: Connection, found: Sequence[Row[Any]]) -> dict[tuple[str, str], int]:
    counted = rows(
        connection,
        """
        SELECT client, webhook_url, count(*) AS pending FROM webhook_deliveries
        WHERE status = 'pending' AND webhook_url = ANY(CAST(:urls AS text[]))
        GROUP BY client, webhook_url
        """,
        urls=[row.url for row in found],
    )
    return {(row.client, row.webhook_url): row.pending for row in counted}


def tally(connection: Connection) -> Tally:
    """How many endpoints there are, and how many of them are paused."""
    row = run(
        connection,
        "SELECT count(*) AS all_of_them, count(paused_at) AS paused FROM webhook_endpoints",
    ).one()
    return Tally(row.all_of_them, row.paused)


def find(connection: Connection, endpoint_id: UUID) -> ListedEndpoint | None:
    statement = f"SELECT {_COLUMNS} FROM webhook_endpoints e WHERE e.id = :id"  # noqa: S608 - constant
    found = rows(connection, statement, id=endpoint_id)
    return ListedEndpoint(**found[0]._asdict()) if found else None


def pause(connection: Connection, endpoint_id: UUID) -> bool:
    """Let its deliveries wait until it is resumed; False if it is paused already.

    Attempts that are under way are ended, as they are when it is paused for failing.
    """
    return bool(
        changed(
            connection,
            """
            UPDATE webhook_endpoints SET paused_at = now(), paused_reason = :reason
            WHERE id = :id AND paused_at IS NULL
            """,
            id=endpoint_id,
            reason=BY_OPERATOR,
        )
    )


def resume(connection: Connection, endpoint_id: UUID) -> ListedEndpoint | None:
    """Let deliveries go to it again, at once; None if there is no such endpoint."""
    found = find(connection, endpoint_id)
    if found is not None:
        endpoints.resume(connection, found.client, found.id)
    return found

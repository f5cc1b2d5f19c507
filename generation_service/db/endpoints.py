"""Webhook endpoints: a client's URLs, and which of them are paused."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.limits import ENDPOINT_FAILING_DAYS
from generation_service.db import deliveries, delivery_claims
from generation_service.db.statements import rows, run


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A URL of a client; `paused_reason` is gone, failing or operator.

    `failing_since` tells of the first failure since the last success, which may have been up to a
    minute later than `last_success_at`.
    """

    id: UUID
    url: str
    paused_at: datetime | None
    paused_reason: str | None
    failing_since: datetime | None
    last_success_at: datetime | None
    created_at: datetime


_COLUMNS: Final = """
    e.id, e.url, e.paused_at, e.paused_reason, e.failing_since, e.last_success_at, e.created_at
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """How an attempt at an endpoint ended; `gone`: it asked for no more."""

    client: str
    url: str
    delivered: bool
    gone: bool


def note(connection: Connection, contacts: Sequence[Contact]) -> None:
    """Note how attempts ended, and since when an endpoint has only failed."""
    if not contacts:
        return
    run(
        connection,
        """
        INSERT INTO webhook_endpoints AS e (client, url, last_success_at, failing_since)
        SELECT client, url, CASE WHEN bool_or(delivered) THEN now() END,
               CASE WHEN NOT bool_or(delivered) THEN now() END
        FROM json_to_recordset(CAST(:contacts AS json)) AS c (client text, url text, delivered bool)
        GROUP BY client, url ORDER BY client, url
        ON CONFLICT (client, md5(url)) DO UPDATE SET
            last_success_at = coalesce(excluded.last_success_at, e.last_success_at),
            failing_since = CASE WHEN excluded.last_success_at IS NULL
                                 THEN coalesce(e.failing_since, excluded.failing_since) END
        WHERE excluded.failing_since IS NOT NULL OR e.failing_since IS NOT NULL
           OR e.last_success_at < now() - interval '1 minute'
        """,
        contacts=_json(contacts),
    )


def pause(connection: Connection, contacts: Sequence[Contact]) -> list[Endpoint]:
    """Pause those that are gone, or have just failed after only failing for 5 days."""
    failed = [contact for contact in contacts if not contact.delivered]
    if not failed:
        return []
    found = rows(
        connection,
        f"""
        UPDATE webhook_endpoints e SET paused_at = now(),
            paused_reason = CASE WHEN c.gone THEN 'gone' ELSE 'failing' END
        FROM (
            SELECT client, url, bool_or(gone) AS gone
            FROM json_to_recordset(CAST(:contacts AS json)) AS c (client text, url text, gone bool)
            GROUP BY client, url
        ) c
        WHERE e.client = c.client AND md5(e.url) = md5(c.url) AND e.paused_at IS NULL
          AND (c.gone OR e.failing_since <= now() - make_interval(days => :days))
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - constant columns
        contacts=_json(failed),
        days=ENDPOINT_FAILING_DAYS,
    )
    return [Endpoint(**row._asdict()) for row in found]


def page(
    connection: Connection, client: str, *, limit: int, offset: int
) -> tuple[list[tuple[Endpoint, int]], int]:
    """Return a page of the client's endpoints, each with its number of pending deliveries.

    Beside it, how many endpoints there are in all.
    """
    found = rows(
        connection,
        f"""
        SELECT coalesce(d.pending, 0) AS pending, {_COLUMNS}
        FROM webhook_endpoints e LEFT JOIN (
            SELECT webhook_url, count(*) AS pending FROM webhook_deliveries
            WHERE status = 'pending' AND client = :client GROUP BY webhook_url
        ) d ON d.webhook_url = e.url
        WHERE e.client = :client ORDER BY e.url LIMIT :limit OFFSET :offset
        """,  # noqa: S608 - constant columns
        client=client,
        limit=limit,
        offset=offset,
    )
    total: int = run(
        connection, "SELECT count(*) FROM webhook_endpoints WHERE client = :client", client=client
    ).scalar_one()
    counted = [row._asdict() for row in found]
    pending = [row.pop("pending") for row in counted]
    return [(Endpoint(**row), n) for row, n in zip(counted, pending, strict=True)], total


def find(connection: Connection, client: str, endpoint_id: UUID) -> Endpoint | None:
    found = rows(
        connection,
        f"SELECT {_COLUMNS} FROM webhook_endpoints e WHERE e.id = :id AND e.client = :client",  # noqa: S608 - constant columns
        id=endpoint_id,
        client=client,
    )
    return Endpoint(**found[0]._asdict()) if found else None


def resume(connection: Connection, client: str, endpoint_id: UUID) -> Endpoint | None:
    """Let deliveries go to the endpoint again, at once; None if the client has no such endpoint.

    Under the lock of claims: one that sets aside what it found paused is over before, or sees that
    the endpoint is not paused any more.
    """
    delivery_claims.lock(connection)
    found = rows(
        connection,
        f"""
        UPDATE webhook_endpoints e
        SET paused_at = NULL, paused_reason = NULL, failing_since = NULL
        WHERE id = :id AND client = :client RETURNING {_COLUMNS}
        """,  # noqa: S608 - constant columns
        id=endpoint_id,
        client=client,
    )
    if not found:
        return None
    endpoint = Endpoint(**found[0]._asdict())
    deliveries.resume(connection, client, endpoint.url)
    return endpoint


def _json(contacts: Sequence[Contact]) -> str:
    return json.dumps([asdict(contact) for contact in contacts])

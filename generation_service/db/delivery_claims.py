"""Claiming deliveries: which of those that are due a process may take now.

The claims of all processes take turns under one lock, so that what they decide holds for all of
them: the deliveries of a host:port are held by one process at a time, which keeps to 4 attempts at
once, and a paused endpoint's deliveries are set aside before anybody sends them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.limits import (
    LEASE_SECONDS,
    WEBHOOK_AHEAD,
    WEBHOOK_NOT_PROMPT_SHARE,
    WEBHOOK_PER_HOST,
    WEBHOOK_SLOTS_PER_CLIENT,
)
from generation_service.db.statements import rows, run

_LOCK: Final = 0x77656268  # any constant will do, as long as every process uses the same
# Whoever hangs with the lock in its hands is cut off, and the others go on.
_LOCK_SECONDS: Final = 5
_OTHERS_PER_CLIENT: Final = int(WEBHOOK_NOT_PROMPT_SHARE * WEBHOOK_SLOTS_PER_CLIENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a process can take: `limit` deliveries more, `others` of them for hosts not `prompt`.

    Prompt hosts, as their last answers showed, may be given 32 deliveries ahead, which are sent 4
    at a time. The others may hang; they share three quarters of each client's slots. A round's
    first attempt comes `first_delay` seconds after the round began.
    """

    limit: int
    others: int
    prompt: Sequence[str]
    first_delay: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDelivery:
    """One to attempt now; `claimed_at` is by the database's clock.

    `attempt` is the attempt's number of all, `attempts_before` of them belong to earlier rounds.
    `most_lots` is a bound: lots of its part that named other webhooks are counted too.
    """

    id: UUID
    client: str
    job_id: UUID
    run: int
    webhook_url: str
    host: str
    part: int
    parts: int
    attempt: int
    attempts_before: int
    most_lots: int
    due_at: datetime
    claimed_at: datetime


def lock(connection: Connection) -> None:
    """Let no one claim until this transaction ends."""
    run(
        connection,
        f"SET LOCAL idle_in_transaction_session_timeout = '{_LOCK_SECONDS}s';"
        " SELECT pg_advisory_xact_lock(:lock)",
        lock=_LOCK,
    )


def claim(connection: Connection, token: UUID, room: Room) -> list[ClaimedDelivery]:
    """Claim deliveries that are due, the longest due first."""
    lock(connection)
    found = rows(
        connection,
        _CLAIM,
        token=token,
        prompt=list(room.prompt),
        others=room.others,
        limit=room.limit,
        others_per_client=_OTHERS_PER_CLIENT,
        first_delay=room.first_delay,
        ahead=WEBHOOK_AHEAD,
        per_host=WEBHOOK_PER_HOST,
        per_client=WEBHOOK_SLOTS_PER_CLIENT,
        lease=LEASE_SECONDS,
    )
    due = [ClaimedDelivery(**row._asdict()) for row in found if row.due_at is not None]
    return sorted(due, key=attrgetter("due_at"))


# The hosts are found one by one in an index that begins with them: much that is due at hosts that
# take no more at the moment costs nothing.
_CLAIM: Final = """
    WITH RECURSIVE hosts AS (
        (SELECT host FROM webhook_deliveries
         WHERE status = 'pending' ORDER BY host LIMIT 1)
        UNION ALL
        SELECT (SELECT d.host FROM webhook_deliveries d
                WHERE d.status = 'pending' AND d.host > h.host
                ORDER BY d.host LIMIT 1)
        FROM hosts h WHERE h.host IS NOT NULL
    ), held AS (
        SELECT client, host, host = ANY(CAST(:prompt AS text[])) AS prompt,
               lease_token = :token AS mine
        FROM webhook_deliveries WHERE lease_token IS NOT NULL AND lease_expires_at >= now()
    ), held_hosts AS (
        SELECT host, count(*) AS places, bool_and(mine) AS mine FROM held GROUP BY host
    ), held_clients AS (
        SELECT client, count(*) AS places, count(*) FILTER (WHERE NOT prompt) AS others
        FROM held WHERE mine GROUP BY client
    ), due AS (
        SELECT d.*, prompt, row_number() OVER (
            PARTITION BY client, prompt ORDER BY next_attempt_at, id) AS lane_place
        FROM (SELECT host, host = ANY(CAST(:prompt AS text[])) AS prompt FROM hosts) h
        LEFT JOIN held_hosts USING (host)
        CROSS JOIN LATERAL (
            SELECT id, client, next_attempt_at FROM webhook_deliveries d
            WHERE d.status = 'pending' AND d.host = h.host AND d.next_attempt_at <= now()
              AND (d.lease_expires_at IS NULL OR d.lease_expires_at < now())
              AND d.lease_token IS DISTINCT FROM :token
              AND (d.attempt_count > d.attempts_before
                   OR d.next_attempt_at <= now() - make_interval(secs => :first_delay))
            ORDER BY d.next_attempt_at
            LIMIT greatest(0, CASE WHEN prompt THEN :ahead ELSE :per_host END - coalesce(places, 0))
        ) d
        WHERE coalesce(mine, true)
    ), ranked AS (
        SELECT id, next_attempt_at, prompt,
               row_number() OVER (PARTITION BY prompt ORDER BY next_attempt_at, id) AS place,
               coalesce(places, 0) + row_number() OVER (
                   PARTITION BY client ORDER BY next_attempt_at, id) AS client_place
        FROM due LEFT JOIN held_clients USING (client)
        WHERE prompt OR lane_place + coalesce(others, 0) <= :others_per_client
    ), chosen AS (
        SELECT d.id, EXISTS (
            SELECT FROM webhook_endpoints e
            WHERE e.client = d.client AND md5(e.url) = md5(d.webhook_url)
              AND e.paused_at IS NOT NULL
        ) AS paused
        FROM webhook_deliveries d
        WHERE d.id IN (
            SELECT id FROM ranked
            WHERE client_place <= :per_client AND (prompt OR place <= :others)
            ORDER BY next_attempt_at, id LIMIT :limit
        ) AND d.status = 'pending' AND d.next_attempt_at <= now()
          AND (d.lease_expires_at IS NULL OR d.lease_expires_at < now())
          AND d.lease_token IS DISTINCT FROM :token
        FOR UPDATE OF d SKIP LOCKED
    )
    UPDATE webhook_deliveries d SET
        lease_token = CASE WHEN NOT paused THEN CAST(:token AS uuid) END,
        lease_expires_at = CASE WHEN NOT paused THEN now() + make_interval(secs => :lease) END,
        next_attempt_at = CASE WHEN NOT paused THEN next_attempt_at END,
        attempts_before = least(attempts_before, attempt_count)
    FROM chosen WHERE d.id = chosen.id
    RETURNING d.id, d.client, d.batch_job_id AS job_id, d.run, d.webhook_url, d.host, d.part,
              d.parts, d.attempt_count + 1 AS attempt, d.attempts_before,
              d.last_position - d.first_position + 1 AS most_lots,
              d.next_attempt_at AS due_at, now() AS claimed_at
"""


def renew(connection: Connection, token: UUID) -> None:
    """Keep what is claimed under this token for as long again."""
    run(
        connection,
        """
        UPDATE webhook_deliveries SET lease_expires_at = now() + make_interval(secs => :lease)
        WHERE lease_token = :token
        """,
        token=token,
        lease=LEASE_SECONDS,
    )


def release(connection: Connection, token: UUID, ids: Sequence[UUID]) -> None:
    """Give back deliveries that were claimed and not attempted."""
    run(
        connection,
        """
        UPDATE webhook_deliveries SET lease_token = NULL, lease_expires_at = NULL
        WHERE lease_token = :token AND id = ANY(CAST(:ids AS uuid[]))
        """,
        token=token,
        ids=list(ids),
    )

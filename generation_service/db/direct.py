"""Requests asked by direct calls: claimed fairly, held under a token, given up when it ran out.

A row belongs to a call while it is submitted, in no OpenAI batch, and has the caller's token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.limits import LEASE_SECONDS
from generation_service.core.status import JOB_ACTIVE, Kind
from generation_service.db import requests
from generation_service.db.requests import RequestRow
from generation_service.db.statements import names, rows, run


@dataclass(frozen=True, slots=True)
class Call:
    """A request that this process has claimed, to be asked at once."""

    job_id: UUID
    kind: Kind
    request: RequestRow


@dataclass(frozen=True, slots=True)
class LostCall:
    """A call whose caller is gone: what became of it is unknown."""

    id: int
    job_id: UUID
    attempt: int


def claim(connection: Connection, token: UUID, *, limit: int, every_lane: bool) -> list[Call]:
    """Claim up to `limit` requests of the direct lane, or of `every_lane`.

    Clients with the fewest calls under way come first, and among a client's jobs likewise.
    """
    claimed = rows(
        connection,
        _CLAIM.format(lane="true" if every_lane else "lane = 'direct'"),
        active=names(JOB_ACTIVE),
        kinds=names(Kind),
        token=token,
        limit=limit,
        lease=LEASE_SECONDS,
    )
    held = {row.id: row for row in claimed}
    return [
        Call(held[request.id].job_id, Kind(held[request.id].kind), request)
        for request in requests.by_ids(connection, sorted(held))
    ]


# Ties are left to chance: in a fixed order the same few would have every slot that falls free.
# Requests are looked for in the order of an index of the queue, or all of a job would be read.
_CLAIM: Final = """
    WITH calling AS (
        SELECT d.job_id, j.client, count(*) AS calls
        FROM descriptions d JOIN batch_jobs j ON j.id = d.job_id
        WHERE d.status = 'submitted' AND d.lease_expires_at IS NOT NULL
        GROUP BY d.job_id, j.client
    ), clients AS (
        SELECT client, sum(calls) AS calls FROM calling GROUP BY client
    ), waiting AS MATERIALIZED (
        SELECT j.id, j.client, coalesce(own.calls, 0) AS calls, coalesce(c.calls, 0) AS client_calls
        FROM batch_jobs j LEFT JOIN calling own ON own.job_id = j.id
        LEFT JOIN clients c ON c.client = j.client
        WHERE j.status = ANY(CAST(:active AS text[])) AND EXISTS (
            SELECT FROM unnest(CAST(:kinds AS text[])) AS wanted (kind) CROSS JOIN LATERAL (
                SELECT FROM descriptions
                WHERE kind = wanted.kind AND job_id = j.id AND status = 'queued'
                  AND available_at <= now() AND {lane}
                ORDER BY kind, job_id, id LIMIT 1
            ) q
        )
    ), jobs AS MATERIALIZED (
        SELECT *, client_calls + row_number() OVER (PARTITION BY client ORDER BY calls, random())
                  AS turn
        FROM waiting ORDER BY turn, random() LIMIT :limit
    ), open AS (
        SELECT q.id, j.client, j.client_calls,
               j.calls + row_number() OVER (PARTITION BY j.id ORDER BY q.id) AS turn
        FROM jobs j CROSS JOIN unnest(CAST(:kinds AS text[])) AS wanted (kind) CROSS JOIN LATERAL (
            SELECT id FROM descriptions
            WHERE kind = wanted.kind AND job_id = j.id AND status = 'queued'
              AND available_at <= now() AND {lane}
            ORDER BY kind, job_id, id LIMIT :limit FOR UPDATE SKIP LOCKED
        ) q
    ), picked AS (
        SELECT id, client_calls + row_number() OVER (PARTITION BY client ORDER BY turn, random())
                   AS turn
        FROM open ORDER BY turn, random() LIMIT :limit
    )
    UPDATE descriptions d
    SET status = 'submitted', lane = 'direct', attempt = attempt + 1, openai_batch = NULL,
        lease_token = :token, lease_expires_at = now() + make_interval(secs => :lease)
    FROM picked WHERE d.id = picked.id
    RETURNING d.id, d.job_id, d.kind
"""


def holds(connection: Connection, token: UUID, request: RequestRow) -> bool:
    """Whether the request is still this token's to ask: neither cancelled nor given up.

    One that was given up may be the token's again, in a later run; then it is another call's.
    """
    found = rows(
        connection,
        """
        SELECT FROM descriptions WHERE id = :id AND attempt = :attempt AND lease_token = :token
            AND status = 'submitted' AND lease_expires_at > now()
        """,
        id=request.id,
        attempt=request.attempt,
        token=token,
    )
    return bool(found)


def renew(connection: Connection, token: UUID, ids: Sequence[int]) -> None:
    """Say that these calls are under way; also those of cancelled jobs, whose bill is to come."""
    run(
        connection,
        """
        UPDATE descriptions SET lease_expires_at = now() + make_interval(secs => :lease)
        WHERE id = ANY(CAST(:ids AS bigint[])) AND lease_token = :token
          AND status IN ('submitted', 'cancelled')
        """,
        ids=list(ids),
        token=token,
        lease=LEASE_SECONDS,
    )


def hand_back(connection: Connection, token: UUID, held: Sequence[int]) -> None:
    """Queue again, at no cost, what the token has claimed but for the `held` requests."""
    run(
        connection,
        """
        UPDATE descriptions SET status = 'queued', attempt = attempt - 1, lease_token = NULL,
               lease_expires_at = NULL
        WHERE lease_token = :token AND status = 'submitted' AND id <> ALL(CAST(:held AS bigint[]))
        """,
        token=token,
        held=list(held),
    )


def jobs_of_lost(connection: Connection, limit: int) -> list[UUID]:
    """Return the jobs of some calls whose lease has run out."""
    found = rows(
        connection,
        """
        SELECT DISTINCT job_id FROM (
            SELECT job_id FROM descriptions
            WHERE status = 'submitted' AND lease_expires_at < now()
            ORDER BY lease_expires_at LIMIT :limit
        ) lost
        """,
        limit=limit,
    )
    return [row.job_id for row in found]


def take_over(
    connection: Connection, token: UUID, job_ids: Sequence[UUID], limit: int
) -> list[LostCall]:
    """Take calls of these locked jobs whose lease has run out from whoever made them."""
    found = rows(
        connection,
        """
        UPDATE descriptions SET lease_token = :token,
               lease_expires_at = now() + make_interval(secs => :lease)
        WHERE id = ANY(ARRAY(
            SELECT id FROM descriptions
            WHERE status = 'submitted' AND lease_expires_at < now()
              AND job_id = ANY(CAST(:job_ids AS uuid[]))
            ORDER BY lease_expires_at LIMIT :limit FOR UPDATE SKIP LOCKED
        ))
        RETURNING id, job_id, attempt
        """,
        token=token,
        job_ids=list(job_ids),
        limit=limit,
        lease=LEASE_SECONDS,
    )
    return [LostCall(row.id, row.job_id, row.attempt) for row in found]

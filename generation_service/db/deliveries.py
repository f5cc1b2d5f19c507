"""Webhook deliveries: inserted by the transaction that ends a run, attempted until they end."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.limits import WEBHOOK_PART_BYTES, WEBHOOK_PART_LOTS
from generation_service.core.status import DELIVERY_SOURCES, DeliveryStatus
from generation_service.db.delivery_log import Attempt
from generation_service.db.statements import LeaseLostError, changed, rows, run, sources


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDelivery:
    id: UUID
    job_id: UUID
    client: str
    run: int
    webhook_url: str
    host: str
    part: int
    parts: int
    first_position: int
    last_position: int
    attempt: int
    """The number of the attempt to make now, from 1."""
    token: UUID


def enqueue(connection: Connection, job_ids: Sequence[UUID]) -> None:
    """Insert the deliveries of runs that end: one for each URL and part.

    A part holds at most 500 lots and about 1 MB of texts (docs/api.md §6), cut by position.
    """
    run(
        connection,
        """
        WITH sized AS (
            SELECT l.job_id, l.webhook_url, l.position, 300
                   + coalesce(octet_length(array_to_string(l.missing_images, '","')), 0)
                   -- a lot that failed as a whole tells why for itself and for each language
                   + coalesce(octet_length(l.error_message), 0) * (1 + cardinality(j.languages))
                   + (SELECT coalesce(sum(100 + coalesce(octet_length(d.damages), 0)
                                          + coalesce(octet_length(d.error_message), 0)), 0)
                      FROM descriptions d WHERE d.lot = l.id) AS bytes
            FROM batch_lots l JOIN batch_jobs j ON j.id = l.job_id
            WHERE l.job_id = ANY(CAST(:job_ids AS uuid[])) AND l.webhook_url IS NOT NULL
        ), placed AS (
            SELECT job_id, webhook_url, position,
                   (row_number() OVER w - 1) / :lots AS by_count,
                   div(sum(bytes) OVER w - bytes, :bytes) AS by_size
            FROM sized WINDOW w AS (PARTITION BY job_id, webhook_url ORDER BY position)
        ), cut AS (
            SELECT job_id, webhook_url, position, dense_rank() OVER (
                PARTITION BY job_id, webhook_url ORDER BY by_count, by_size) AS part
            FROM placed
        ), parts AS (
            SELECT job_id, webhook_url, part, min(position) AS first, max(position) AS last,
                   max(part) OVER (PARTITION BY job_id, webhook_url) AS parts
            FROM cut GROUP BY job_id, webhook_url, part
        )
        INSERT INTO webhook_deliveries (batch_job_id, client, run, webhook_url, host, part, parts,
                                        first_position, last_position)
        SELECT p.job_id, j.client, j.run, p.webhook_url,
               lower(coalesce(substring(p.webhook_url FROM '://(?:[^/?#]*@)?([^/?#]+)'), '')),
               p.part, p.parts, p.first, p.last
        FROM parts p JOIN batch_jobs j ON j.id = p.job_id
        ON CONFLICT (batch_job_id, run, md5(webhook_url), part) DO NOTHING
        """,
        job_ids=sorted(job_ids),
        lots=WEBHOOK_PART_LOTS,
        bytes=WEBHOOK_PART_BYTES,
    )


def claim(
    connection: Connection,
    *,
    token: UUID,
    limit: int,
    lease_seconds: float,
    without_hosts: Sequence[str] = (),
) -> list[ClaimedDelivery]:
    """Claim deliveries that are due, the longest due first, but none for these hosts."""
    found = rows(
        connection,
        """
        WITH due AS (
            SELECT id FROM webhook_deliveries
            WHERE status = 'pending' AND next_attempt_at <= now()
              AND (lease_expires_at IS NULL OR lease_expires_at < now())
              AND host <> ALL(CAST(:without_hosts AS text[]))
            ORDER BY next_attempt_at LIMIT :limit FOR UPDATE SKIP LOCKED
        )
        UPDATE webhook_deliveries d SET lease_token = :token,
               lease_expires_at = now() + make_interval(secs => :lease_seconds)
        FROM due WHERE d.id = due.id
        RETURNING d.id, d.batch_job_id AS job_id, d.client, d.run, d.webhook_url, d.host, d.part,
                  d.parts, d.first_position, d.last_position, d.attempt_count + 1 AS attempt
        """,
        token=token,
        limit=limit,
        lease_seconds=lease_seconds,
        without_hosts=list(without_hosts),
    )
    return [ClaimedDelivery(token=token, **row._asdict()) for row in found]


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


def record(
    connection: Connection,
    delivery: ClaimedDelivery,
    attempt: Attempt,
    *,
    delivered: bool,
    signature: str,
    retry_in: float | None,
) -> None:
    """Record an attempt; the next is due `retry_in` seconds after it, None: there is none."""
    ended = DeliveryStatus.DELIVERED if delivered else DeliveryStatus.FAILED
    target = DeliveryStatus.PENDING if not delivered and retry_in is not None else ended
    updated = changed(
        connection,
        """
        UPDATE webhook_deliveries SET status = :target, attempt_count = :attempt,
               signature = :signature, last_attempt_at = now(), error_message = :error,
               delivered_at = CASE WHEN :delivered THEN now() END,
               next_attempt_at = now() + make_interval(secs => CAST(:retry_in AS float8)),
               lease_token = NULL, lease_expires_at = NULL
        WHERE id = :id AND lease_token = :token AND status = ANY(CAST(:sources AS text[]))
        """,
        id=delivery.id,
        token=delivery.token,
        target=target.value,
        attempt=attempt.attempt,
        signature=signature,
        error=None if delivered else _reason(attempt),
        delivered=delivered,
        retry_in=None if target is not DeliveryStatus.PENDING else retry_in,
        sources=sources(DELIVERY_SOURCES, ended),
    )
    if not updated:
        raise LeaseLostError(f"delivery {delivery.id} was taken over")
    _insert_attempt(connection, delivery.id, attempt)


def _reason(attempt: Attempt) -> str:
    return attempt.error or f"the receiver answered {attempt.status_code}"


def _insert_attempt(connection: Connection, delivery_id: UUID, attempt: Attempt) -> None:
    run(
        connection,
        """
        INSERT INTO webhook_attempts
            (delivery_id, attempt, at, status_code, duration_ms, error, response)
        VALUES (:delivery_id, :attempt, :at, :status_code, :duration_ms, :error, :response)
        """,
        delivery_id=delivery_id,
        attempt=attempt.attempt,
        at=attempt.at,
        status_code=attempt.status_code,
        duration_ms=attempt.duration_ms,
        error=attempt.error,
        response=attempt.response,
    )

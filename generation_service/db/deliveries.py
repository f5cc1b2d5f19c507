"""Webhook deliveries: inserted by the transaction that ends a run, attempted until they end."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.limits import WEBHOOK_PART_BYTES, WEBHOOK_PART_LOTS
from generation_service.core.status import DELIVERY_SOURCES, DeliveryStatus
from generation_service.db.statements import changed, rows, run, sources


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An attempt that ended, and what becomes of its delivery.

    A delivery that stays pending is due again in `retry_in` seconds. `error` says in words why no
    status came; `seconds` cover look-up, connection and answer.
    """

    delivery_id: UUID
    attempt: int
    status: DeliveryStatus
    retry_in: float | None
    signature: str | None
    seconds: float
    status_code: int | None
    error: str | None
    response: str | None


def enqueue(connection: Connection, job_ids: Sequence[UUID]) -> None:
    """Insert the deliveries of runs that end: one for each URL and part.

    A part holds at most 500 lots and about 1 MB of JSON (docs/api.md §6), cut by position.
    """
    run(
        connection,
        _ENQUEUE,
        job_ids=sorted(job_ids),
        lots=WEBHOOK_PART_LOTS,
        bytes=WEBHOOK_PART_BYTES,
    )


_ENQUEUE: Final = """
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
               max(part) OVER (PARTITION BY job_id, webhook_url) AS parts,
               regexp_match(webhook_url, '^(https?)://(\\[[^]]*\\]|[^/?#:]*):?0*([0-9]*)', 'i')
                   AS place
        FROM cut GROUP BY job_id, webhook_url, part
    )
    INSERT INTO webhook_deliveries (batch_job_id, client, run, webhook_url, host, part, parts,
                                    first_position, last_position)
    SELECT p.job_id, j.client, j.run, p.webhook_url,
           coalesce(lower(rtrim(place[2], '.')) || ':' || coalesce(nullif(place[3], ''),
               CASE lower(place[1]) WHEN 'https' THEN '443' ELSE '80' END), ''),
           p.part, p.parts, p.first, p.last
    FROM parts p JOIN batch_jobs j ON j.id = p.job_id
    ON CONFLICT DO NOTHING
"""


def record(connection: Connection, token: UUID, ended: Sequence[Ended]) -> set[UUID]:
    """Record attempts; returns the deliveries that were still claimed under `token`.

    Of the others, which another process has taken over, nothing is recorded. A redelivery that
    was asked for while the attempt was under way begins now, however the attempt ended.
    """
    recorded = rows(
        connection,
        _RECORD,
        ended=json.dumps([asdict(each) for each in ended], default=str),
        token=token,
        sources=sources(DELIVERY_SOURCES, DeliveryStatus.DELIVERED),
    )
    return {row.delivery_id for row in recorded}


_RECORD: Final = """
    WITH ended AS (
        SELECT * FROM json_to_recordset(CAST(:ended AS json)) AS e (
            delivery_id uuid, attempt int, status text, retry_in float8, signature text,
            seconds float8, status_code int, error text, response text)
    ), recorded AS (
        UPDATE webhook_deliveries d SET
            status = CASE WHEN d.attempts_before < e.attempt THEN e.status ELSE 'pending' END,
            next_attempt_at = now() + make_interval(
                secs => CASE WHEN d.attempts_before < e.attempt THEN e.retry_in ELSE 0 END),
            delivered_at = CASE WHEN d.attempts_before < e.attempt AND e.status = 'delivered'
                                THEN now() END,
            attempt_count = e.attempt, last_attempt_at = now(), signature = e.signature,
            error_message = CASE WHEN e.status <> 'delivered' THEN
                coalesce(e.error, 'the receiver answered ' || e.status_code) END,
            lease_token = NULL, lease_expires_at = NULL
        FROM ended e
        WHERE d.id = e.delivery_id AND d.lease_token = :token
          AND d.status = ANY(CAST(:sources AS text[]))
        RETURNING d.id
    )
    INSERT INTO webhook_attempts
        (delivery_id, attempt, at, status_code, duration_ms, error, response)
    SELECT delivery_id, attempt, now() - make_interval(secs => seconds), status_code,
           round(seconds * 1000), error, response
    FROM ended WHERE delivery_id IN (SELECT id FROM recorded)
    RETURNING delivery_id
"""


def redeliver(connection: Connection, job_id: UUID, delivery_id: UUID) -> bool:
    """Begin a new round of attempts, due now; False if the job has no such delivery.

    If an attempt is under way, the round begins when that one has ended.
    """
    return bool(
        changed(
            connection,
            """
            UPDATE webhook_deliveries SET status = 'pending', next_attempt_at = now(),
                delivered_at = NULL, error_message = NULL,
                attempts_before = attempt_count
                    + CASE WHEN lease_expires_at >= now() THEN 1 ELSE 0 END
            WHERE id = :id AND batch_job_id = :job_id AND status = ANY(CAST(:sources AS text[]))
            """,
            id=delivery_id,
            job_id=job_id,
            sources=sources(DELIVERY_SOURCES, DeliveryStatus.PENDING),
        )
    )


def resume(connection: Connection, client: str, url: str) -> None:
    """Make due again what was set aside while the endpoint was paused."""
    run(
        connection,
        """
        UPDATE webhook_deliveries SET next_attempt_at = now()
        WHERE status = 'pending' AND next_attempt_at IS NULL
          AND client = :client AND webhook_url = :url
        """,
        client=client,
        url=url,
    )

"""The queue of descriptions, and how it is claimed into OpenAI batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.status import Kind
from generation_service.db.statements import rows, run


@dataclass(frozen=True, slots=True)
class JobQueue:
    """What a job has waiting; `waited` is in seconds since its oldest request could go."""

    job_id: UUID
    client: str
    requests: int
    tokens: int
    waited: float
    in_flight: int
    """Requests of the job that are in OpenAI batches not ended yet."""


@dataclass(frozen=True, slots=True)
class InFlight:
    """What is at OpenAI now, or on its way there."""

    openai_batches: int
    enqueued_tokens: int
    learned_limit: int | None
    paused: bool


def packing_turn(connection: Connection, model: str) -> bool:
    """Whether this transaction may pack for `model`; one at a time, so that limits are kept."""
    turn: bool = run(
        connection,
        "SELECT pg_try_advisory_xact_lock(hashtextextended('packing ' || :model, 0))",
        model=model,
    ).scalar_one()
    return turn


def waiting(connection: Connection, kind: Kind) -> list[JobQueue]:
    found = rows(
        connection,
        """
        SELECT d.job_id, j.client, count(*) AS requests, sum(d.estimated_tokens) AS tokens,
               extract(epoch FROM now() - min(d.available_at)) AS waited,
               (SELECT coalesce(sum(s.requests - s.completed - s.failed), 0)
                FROM job_openai_batches s JOIN openai_batches b ON b.id = s.openai_batch
                WHERE s.job_id = d.job_id AND b.status <> 'settled') AS in_flight
        FROM descriptions d JOIN batch_jobs j ON j.id = d.job_id
        WHERE d.kind = :kind AND d.status = 'queued' AND d.available_at <= now()
        GROUP BY d.job_id, j.client, j.created_at ORDER BY j.created_at, d.job_id
        """,
        kind=kind.value,
    )
    return [
        JobQueue(
            row.job_id,
            row.client,
            row.requests,
            int(row.tokens),
            float(row.waited),
            int(row.in_flight),
        )
        for row in found
    ]


def in_flight(connection: Connection, model: str) -> InFlight:
    row = run(
        connection,
        """
        SELECT (SELECT count(*) FROM openai_batches WHERE status <> 'settled') AS openai_batches,
               (SELECT coalesce(sum(estimated_tokens), 0) FROM openai_batches
                WHERE status <> 'settled' AND model = :model) AS tokens,
               l.enqueued_tokens AS learned, coalesce(l.paused_until > now(), false) AS paused
        FROM (SELECT 1) one LEFT JOIN model_limits l ON l.model = :model
        """,
        model=model,
    ).one()
    return InFlight(row.openai_batches, int(row.tokens), row.learned, row.paused)


def claim(  # noqa: PLR0913 - all of it goes into one new row
    connection: Connection,
    *,
    openai_batch: UUID,
    kind: Kind,
    model: str,
    job_ids: Sequence[UUID],
    requests: int,
    tokens: int | None,
) -> int:
    """Put up to `requests` queued descriptions into a new OpenAI batch; return how many.

    Jobs take turns, so that one that shares its OpenAI batch gets its part of it.
    """
    run(
        connection,
        """
        INSERT INTO openai_batches (id, kind, model, status) VALUES (:id, :kind, :model, 'building')
        """,
        id=openai_batch,
        kind=kind.value,
        model=model,
    )
    claimed = run(
        connection,
        """
        WITH turns AS (
            SELECT d.id, d.estimated_tokens, d.turn
            FROM unnest(CAST(:job_ids AS uuid[])) AS job (id) CROSS JOIN LATERAL (
                SELECT q.id, q.estimated_tokens, row_number() OVER (ORDER BY q.id) AS turn FROM (
                    SELECT id, estimated_tokens FROM descriptions
                    WHERE kind = :kind AND job_id = job.id AND status = 'queued'
                      AND available_at <= now()
                    ORDER BY id LIMIT :requests FOR UPDATE SKIP LOCKED
                ) q
            ) d
        ), picked AS (
            SELECT id FROM (
                SELECT id, row_number() OVER (ORDER BY turn, id) AS n,
                       sum(estimated_tokens) OVER (ORDER BY turn, id) AS tokens
                FROM turns
            ) numbered
            WHERE n <= :requests AND (n = 1 OR CAST(:tokens AS bigint) IS NULL OR tokens <= :tokens)
        ), claimed AS (
            UPDATE descriptions d
            SET status = 'submitted', openai_batch = :openai_batch, attempt = attempt + 1
            FROM picked WHERE d.id = picked.id
            RETURNING d.job_id, d.estimated_tokens
        ), shares AS (
            INSERT INTO job_openai_batches (job_id, openai_batch, requests)
            SELECT job_id, :openai_batch, count(*) FROM claimed GROUP BY job_id
        )
        UPDATE openai_batches SET requests = total.requests, estimated_tokens = total.tokens
        FROM (SELECT count(*) AS requests, coalesce(sum(estimated_tokens), 0) AS tokens
              FROM claimed) total
        WHERE id = :openai_batch
        RETURNING openai_batches.requests
        """,
        openai_batch=openai_batch,
        kind=kind.value,
        job_ids=list(job_ids),
        requests=requests,
        tokens=tokens,
    )
    count: int = claimed.scalar_one()
    return count


def hand_back(connection: Connection, openai_batch: UUID, *, behind: int) -> None:
    """Queue again, at no cost, the batch's requests with an id above `behind`: it was full."""
    run(
        connection,
        """
        WITH back AS (
            UPDATE descriptions SET status = 'queued', openai_batch = NULL, attempt = attempt - 1
            WHERE openai_batch = :openai_batch AND status = 'submitted' AND id > :behind
            RETURNING job_id
        )
        UPDATE job_openai_batches j SET requests = j.requests - gone.requests
        FROM (SELECT job_id, count(*) AS requests FROM back GROUP BY job_id) gone
        WHERE j.openai_batch = :openai_batch AND j.job_id = gone.job_id
        """,
        openai_batch=openai_batch,
        behind=behind,
    )


def learn_limit(
    connection: Connection, model: str, *, limit: int | None, pause_seconds: float
) -> None:
    """Remember the enqueued-token limit OpenAI named (None: it named none) and wait a while."""
    run(
        connection,
        """
        INSERT INTO model_limits AS l (model, enqueued_tokens, paused_until)
        VALUES (:model, CAST(:limit AS bigint), now() + make_interval(secs => :pause))
        ON CONFLICT (model) DO UPDATE SET paused_until = excluded.paused_until,
            enqueued_tokens = coalesce(excluded.enqueued_tokens, l.enqueued_tokens)
        """,
        model=model,
        limit=limit,
        pause=pause_seconds,
    )

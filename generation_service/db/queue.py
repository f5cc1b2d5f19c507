"""The queue of descriptions, and how it is claimed into OpenAI batches."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.status import Kind
from generation_service.db.statements import rows, run

_MOST_JOBS: Final = 500
"""Looked at in one packing: a busy OpenAI batch holds no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQueue:
    """What a job has waiting, counted up to a bound; tokens are as estimated.

    `first` are the tokens of the next request; `waited` is in seconds since the oldest could go.
    `growing`: the lots it comes from are not all through the stage before.
    """

    job_id: UUID
    client: str
    kind: Kind
    requests: int
    tokens: int
    first: int
    waited: float
    growing: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchShare:
    """A job's share of an OpenAI batch that is open, or was among the last ones submitted."""

    openai_batch: UUID
    kind: Kind
    model: str
    tokens: int
    open: bool
    age: float
    job_id: UUID
    client: str
    requests: int
    unanswered: int


@dataclass(frozen=True, slots=True)
class Part:
    """The first `requests` of a job, as far as they are estimated at `tokens` at most."""

    job_id: UUID
    requests: int
    tokens: int | None


def packing_turn(connection: Connection, models: Collection[str]) -> set[str]:
    """The models this transaction may pack for: it has none while another one packs.

    One at a time, so that limits are kept, those of all models together too.
    """
    if not _lock(connection, "packing"):
        return set()
    return {model for model in models if _lock(connection, f"packing {model}")}


def _lock(connection: Connection, name: str) -> bool:
    locked: bool = run(
        connection, "SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))", name=name
    ).scalar_one()
    return locked


def waiting(
    connection: Connection, kinds: Collection[Kind], *, enough: int, within: float | None = None
) -> list[JobQueue]:
    """What waits for an OpenAI batch, of each job the first `enough` requests of each kind.

    Bounded, so that a million cost no more than a thousand: of many jobs the oldest of each client
    come first. Only of runs that began `within` so many seconds.
    """
    # Compared as rows, (kind, job_id) can be looked up in no index but the one meant for it: when
    # most rows are queued, the planner else reads them all in the order of their ids.
    found = rows(
        connection,
        """
        WITH job AS MATERIALIZED (
            SELECT j.id, j.client, k.kind,
                   CASE k.kind WHEN 'vision' THEN j.lots_probed
                               ELSE j.vision_completed + j.vision_failed
                   END < j.lots_total AS growing
            FROM batch_jobs j CROSS JOIN unnest(CAST(:kinds AS text[])) AS k (kind)
            WHERE j.status IN ('pending', 'processing', 'translating')
              AND coalesce(j.run_started_at > now() - make_interval(secs => :within), true)
              AND (SELECT id FROM descriptions
                   WHERE (kind, job_id) >= (k.kind, j.id) AND (kind, job_id) <= (k.kind, j.id)
                     AND status = 'queued' AND lane = 'batch' AND available_at <= now()
                   ORDER BY kind, job_id, id LIMIT 1) IS NOT NULL
            ORDER BY row_number() OVER (PARTITION BY j.client, k.kind ORDER BY j.created_at)
            LIMIT :jobs
        )
        SELECT j.id AS job_id, j.client, j.kind, j.growing, q.requests, q.tokens, q.first, q.waited
        FROM job j CROSS JOIN LATERAL (
            SELECT count(*) AS requests, sum(estimated_tokens) AS tokens,
                   (array_agg(estimated_tokens ORDER BY id))[1] AS first,
                   extract(epoch FROM now() - min(available_at)) AS waited
            FROM (
                SELECT id, estimated_tokens, available_at FROM descriptions
                WHERE (kind, job_id) >= (j.kind, j.id) AND (kind, job_id) <= (j.kind, j.id)
                  AND status = 'queued' AND lane = 'batch' AND available_at <= now()
                ORDER BY kind, job_id, id LIMIT :enough
            ) oldest
        ) q
        WHERE q.requests > 0
        """,
        kinds=[kind.value for kind in kinds],
        enough=enough,
        jobs=_MOST_JOBS,
        within=within,
    )
    return [JobQueue(**_typed(row._asdict(), "tokens", "first", "requests")) for row in found]


def shares(connection: Connection, *, newest: int) -> list[BatchShare]:
    """The shares of every open OpenAI batch, and of as many of the `newest` submitted ones."""
    found = rows(
        connection,
        """
        WITH recent AS (
            SELECT id FROM openai_batches WHERE status <> 'settled'
            UNION
            (SELECT id FROM openai_batches WHERE submitted_at IS NOT NULL
             ORDER BY submitted_at DESC LIMIT :newest)
        )
        SELECT b.id AS openai_batch, b.kind, b.model, b.estimated_tokens AS tokens,
               b.status <> 'settled' AS open, extract(epoch FROM now() - b.created_at) AS age,
               s.job_id, j.client, s.requests,
               greatest(s.requests - s.completed - s.failed, 0) AS unanswered
        FROM recent JOIN openai_batches b ON b.id = recent.id
        JOIN job_openai_batches s ON s.openai_batch = b.id JOIN batch_jobs j ON j.id = s.job_id
        """,
        newest=newest,
    )
    return [BatchShare(**_typed(row._asdict(), "tokens")) for row in found]


def _typed(row: Mapping[str, Any], *integers: str) -> dict[str, Any]:
    """PostgreSQL's sums and ages come as Decimal."""
    values = dict(row)
    values["kind"] = Kind(str(values["kind"]))
    for name in integers:
        values[name] = int(values[name])
    for name in {"age", "waited"} & values.keys():
        values[name] = float(values[name])
    return values


# Arrays are looked up by id whatever their length; a join of 50,000 ids reads the whole table once
# it is large, and a constant status the whole queue.
_CLAIM = """
    WITH fitting AS (
        SELECT q.id FROM unnest(
            CAST(:job_ids AS uuid[]), CAST(:requests AS int[]), CAST(:tokens AS bigint[])
        ) AS part (job_id, requests, tokens) CROSS JOIN LATERAL (
            SELECT id, sum(estimated_tokens) OVER (ORDER BY id) AS tokens FROM (
                SELECT id, estimated_tokens FROM descriptions
                WHERE (kind, job_id) >= (:kind, part.job_id)
                  AND (kind, job_id) <= (:kind, part.job_id)
                  AND status = 'queued' AND lane = 'batch' AND available_at <= now()
                ORDER BY kind, job_id, id LIMIT part.requests
            ) oldest
        ) q WHERE part.tokens IS NULL OR q.tokens <= part.tokens
    ), locked AS MATERIALIZED (
        SELECT id, job_id, estimated_tokens FROM descriptions
        WHERE id = ANY(ARRAY(SELECT id FROM fitting))
          AND status = ANY(ARRAY(SELECT 'queued')) AND lane = 'batch'
        ORDER BY id FOR UPDATE SKIP LOCKED
    ), made AS (
        INSERT INTO openai_batches (id, kind, model, status, requests, estimated_tokens)
        SELECT :openai_batch, :kind, :model, 'building', count(*), sum(estimated_tokens)
        FROM locked HAVING count(*) > 0
    ), claimed AS (
        UPDATE descriptions
        SET status = 'submitted', openai_batch = :openai_batch, attempt = attempt + 1
        WHERE id = ANY(ARRAY(SELECT id FROM locked))
    ), shared AS (
        INSERT INTO job_openai_batches (job_id, openai_batch, requests)
        SELECT job_id, :openai_batch, count(*) FROM locked GROUP BY job_id
    )
    SELECT count(*) FROM locked
"""


def claim(
    connection: Connection,
    *,
    openai_batch: UUID,
    kind: Kind,
    model: str,
    parts: Sequence[Part],
) -> int:
    """Put queued descriptions into a new OpenAI batch; return how many.

    Each job gives its oldest requests, until its part of the tokens is used up; where nothing is
    left to claim there is no OpenAI batch.
    """
    claimed = run(
        connection,
        _CLAIM,
        openai_batch=openai_batch,
        kind=kind.value,
        model=model,
        job_ids=[part.job_id for part in parts],
        requests=[part.requests for part in parts],
        tokens=[part.tokens for part in parts],
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

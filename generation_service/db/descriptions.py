"""Descriptions: recorded only where the row still belongs to what answers.

That is the `holder`: the id of its OpenAI batch, or the token of the process that asks directly
(then it is in no OpenAI batch). Call the recording functions with the jobs locked (`jobs.lock`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.status import DESCRIPTION_SOURCES, DescriptionStatus, Kind
from generation_service.db.charges import columns
from generation_service.db.outcomes import CompletedText, FailedText, Requeued
from generation_service.db.statements import rows, run, sources

# By a subquery, so that these are found by their ids. For a constant the planner takes the index of
# what is submitted, which it believes to be as small as when it last looked: then every few hundred
# rows cost a look at all of them.
_SOURCES = ",".join(sources(DESCRIPTION_SOURCES, DescriptionStatus.COMPLETED))
_STILL_SUBMITTED = f"d.status = ANY(ARRAY(SELECT unnest(CAST('{{{_SOURCES}}}' AS text[]))))"


@dataclass(frozen=True, slots=True)
class Submitted:
    """A request that is at OpenAI (or about to be), with what its verdict depends on."""

    id: int
    job_id: UUID
    client: str
    lot: int
    kind: Kind
    attempt: int
    larger: bool
    reprobed: bool
    estimated_tokens: int
    translations: int
    """How many translations fall away with the English, when this is its request."""
    idle: float
    """Seconds since anything of the job was settled."""
    near: bool
    """Whether the job's deadline is near."""


def queue_vision(connection: Connection, requests: Sequence[tuple[int, int]]) -> None:
    """Queue the description of lots, given as (lot, estimated tokens)."""
    run(
        connection,
        """
        INSERT INTO descriptions AS d (job_id, lot, kind, language, estimated_tokens)
        SELECT l.job_id, l.id, 'vision', 'en', request.tokens
        FROM unnest(CAST(:lots AS bigint[]), CAST(:tokens AS int[])) AS request (lot, tokens)
        JOIN batch_lots l ON l.id = request.lot
        ON CONFLICT (lot, language) DO UPDATE
        SET available_at = now(), estimated_tokens = excluded.estimated_tokens
        WHERE d.status = 'queued'
        """,
        lots=[lot for lot, _ in requests],
        tokens=[tokens for _, tokens in requests],
    )


def fail_held(connection: Connection, lots: Mapping[int, tuple[str, str]]) -> None:
    """Fail the descriptions that waited for a probe which found too few photos.

    `lots` maps them to (code, message); of those that were never described there is no row yet.
    """
    run(
        connection,
        """
        UPDATE descriptions d SET status = 'failed', error_code = f.code, error_message = f.message
        FROM unnest(CAST(:lots AS bigint[]), CAST(:codes AS text[]), CAST(:messages AS text[]))
             AS f (lot, code, message)
        WHERE d.lot = f.lot AND d.status = 'queued'
        """,
        lots=list(lots),
        codes=[code for code, _ in lots.values()],
        messages=[message for _, message in lots.values()],
    )


def jobs_of(connection: Connection, ids: Collection[int]) -> list[UUID]:
    found = rows(
        connection,
        "SELECT DISTINCT job_id FROM descriptions WHERE id = ANY(CAST(:ids AS bigint[]))",
        ids=sorted(ids),
    )
    return [row.job_id for row in found]


def submitted(
    connection: Connection, holder: UUID, ids: Collection[int], *, near: float
) -> list[Submitted]:
    """Return those of the requests that are held so and unsettled.

    A job's deadline is `near` so many seconds after its run began.
    """
    found = rows(
        connection,
        f"""
        SELECT d.id, d.job_id, j.client, d.lot, d.kind, d.attempt, d.larger, l.reprobe,
               d.estimated_tokens, cardinality(j.translations) AS translations,
               extract(epoch FROM now() - j.updated_at) AS idle,
               j.run_started_at <= now() - make_interval(secs => :near) AS near
        FROM descriptions d JOIN batch_lots l ON l.id = d.lot JOIN batch_jobs j ON j.id = d.job_id
        WHERE d.id = ANY(CAST(:ids AS bigint[]))
          AND coalesce(d.openai_batch, d.lease_token) = :holder AND {_STILL_SUBMITTED}
        ORDER BY d.id
        """,  # noqa: S608 - a constant
        holder=holder,
        ids=sorted(ids),
        near=near,
    )
    return [
        Submitted(
            row.id,
            row.job_id,
            row.client,
            row.lot,
            Kind(row.kind),
            row.attempt,
            row.larger,
            row.reprobe,
            row.estimated_tokens,
            row.translations,
            float(row.idle),
            row.near,
        )
        for row in found
    ]


def missing_ids(connection: Connection, openai_batch: UUID, limit: int) -> list[int]:
    """Return some requests of the batch that neither of its files has settled."""
    found = rows(
        connection,
        """
        SELECT id FROM descriptions WHERE openai_batch = :openai_batch AND status = 'submitted'
        ORDER BY id LIMIT :limit
        """,
        openai_batch=openai_batch,
        limit=limit,
    )
    return [row.id for row in found]


_CHARGED = """
    prompt_tokens = d.prompt_tokens + t.prompt, cached_tokens = d.cached_tokens + t.cached,
    completion_tokens = d.completion_tokens + t.completion, cost_nanos = d.cost_nanos + t.cost
"""
_CHARGES = """
    CAST(:prompt AS int[]), CAST(:cached AS int[]), CAST(:completion AS int[]),
    CAST(:cost AS bigint[])
"""
_CHARGE = "prompt, cached, completion, cost"


def complete(connection: Connection, holder: UUID, texts: Sequence[CompletedText]) -> None:
    run(
        connection,
        f"""
        UPDATE descriptions d SET status = 'completed', damages = t.damages, model = t.model,
               generated_by = t.generated_by, error_code = NULL, error_message = NULL,
               lease_token = NULL, lease_expires_at = NULL,
               {_CHARGED}
        FROM unnest(CAST(:ids AS bigint[]), CAST(:damages AS text[]), CAST(:models AS text[]),
                    CAST(:generated_by AS text[]), {_CHARGES})
             AS t (id, damages, model, generated_by, {_CHARGE})
        WHERE d.id = t.id AND coalesce(d.openai_batch, d.lease_token) = :holder
          AND {_STILL_SUBMITTED}
        """,  # noqa: S608 - constants
        holder=holder,
        ids=[text.id for text in texts],
        damages=[text.damages for text in texts],
        models=[text.model for text in texts],
        generated_by=[text.generated_by for text in texts],
        **columns([text.charge for text in texts]),
    )


_FAILED = """
    UPDATE descriptions d SET status = :status, error_code = t.code, error_message = t.message,
           lease_token = NULL, lease_expires_at = NULL, {charged} {more}
    FROM unnest(CAST(:ids AS bigint[]), CAST(:codes AS text[]), CAST(:messages AS text[]),
                {charges} {arrays})
         AS t (id, code, message, {charge} {names})
    WHERE d.id = t.id AND coalesce(d.openai_batch, d.lease_token) = :holder
      AND {submitted}
"""


def _failed(**clauses: str) -> str:
    return _FAILED.format(
        charged=_CHARGED,
        charges=_CHARGES,
        charge=_CHARGE,
        submitted=_STILL_SUBMITTED,
        **clauses,
    )


def fail(connection: Connection, holder: UUID, texts: Sequence[FailedText]) -> None:
    _give_up(connection, _failed(more="", arrays="", names=""), "failed", holder, texts)


def requeue(connection: Connection, holder: UUID, texts: Sequence[Requeued]) -> None:
    """Queue requests for another attempt; a `free` one doesn't count as an attempt."""
    statement = _failed(
        more=""", openai_batch = NULL, larger = d.larger OR t.larger, attempt = d.attempt - t.free,
           lane = CASE WHEN t.direct THEN 'direct' ELSE d.lane END,
           available_at = coalesce(now() + make_interval(secs => t.delay), 'infinity')""",
        arrays=""", CAST(:larger AS bool[]), CAST(:free AS int[]), CAST(:delays AS float8[]),
            CAST(:direct AS bool[])""",
        names=", larger, free, delay, direct",
    )
    _give_up(
        connection,
        statement,
        "queued",
        holder,
        texts,
        larger=[text.larger for text in texts],
        free=[int(text.free) for text in texts],
        delays=[text.delay for text in texts],
        direct=[text.direct for text in texts],
    )


def _give_up(
    connection: Connection,
    statement: str,
    status: str,
    holder: UUID,
    texts: Sequence[FailedText],
    **more: object,
) -> None:
    run(
        connection,
        statement,
        status=status,
        holder=holder,
        ids=[text.id for text in texts],
        codes=[text.code for text in texts],
        messages=[text.message for text in texts],
        **columns([text.charge for text in texts]),
        **more,
    )

"""Descriptions: recorded only where the row still belongs to the OpenAI batch that answers.

Call the recording functions with the jobs locked (`jobs.lock`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.status import DESCRIPTION_SOURCES, DescriptionStatus, Kind
from generation_service.db.statements import rows, run, sources


@dataclass(frozen=True, slots=True)
class Submitted:
    """A request that is at OpenAI (or about to be), with what its verdict depends on."""

    id: int
    job_id: UUID
    lot: int
    kind: Kind
    attempt: int
    larger: bool
    reprobed: bool
    translations: int
    """How many translations fall away with the English, when this is its request."""
    idle: float
    """Seconds since anything of the job was settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedText:
    id: int
    damages: str
    model: str
    generated_by: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedText:
    """A request without a text; tokens are what the useless answer was billed."""

    id: int
    code: str
    message: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Requeued(FailedText):
    """Another attempt, in `delay` seconds (None: held until the lot's photos are probed again)."""

    delay: float | None = 0.0
    larger: bool = False
    free: bool = False


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


def fail_held(connection: Connection, lot: int, *, code: str, message: str) -> None:
    """Fail the description that waited for a second probe which found too few photos."""
    run(
        connection,
        """
        UPDATE descriptions SET status = 'failed', error_code = :code, error_message = :message
        WHERE lot = :lot AND status = 'queued'
        """,
        lot=lot,
        code=code,
        message=message,
    )


def jobs_of(connection: Connection, ids: Collection[int]) -> list[UUID]:
    found = rows(
        connection,
        "SELECT DISTINCT job_id FROM descriptions WHERE id = ANY(CAST(:ids AS bigint[]))",
        ids=sorted(ids),
    )
    return [row.job_id for row in found]


def submitted(connection: Connection, openai_batch: UUID, ids: Collection[int]) -> list[Submitted]:
    """Return those of the requests that are unsettled in this OpenAI batch."""
    found = rows(
        connection,
        """
        SELECT d.id, d.job_id, d.lot, d.kind, d.attempt, d.larger, l.reprobe,
               cardinality(j.translations) AS translations,
               extract(epoch FROM now() - j.updated_at) AS idle
        FROM descriptions d JOIN batch_lots l ON l.id = d.lot JOIN batch_jobs j ON j.id = d.job_id
        WHERE d.openai_batch = :openai_batch AND d.status = 'submitted'
          AND d.id = ANY(CAST(:ids AS bigint[]))
        ORDER BY d.id
        """,
        openai_batch=openai_batch,
        ids=sorted(ids),
    )
    return [
        Submitted(
            row.id,
            row.job_id,
            row.lot,
            Kind(row.kind),
            row.attempt,
            row.larger,
            row.reprobe,
            row.translations,
            float(row.idle),
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


def complete(connection: Connection, openai_batch: UUID, texts: Sequence[CompletedText]) -> None:
    run(
        connection,
        """
        UPDATE descriptions d SET status = 'completed', damages = t.damages, model = t.model,
               generated_by = t.generated_by, error_code = NULL, error_message = NULL,
               prompt_tokens = d.prompt_tokens + t.prompt,
               cached_tokens = d.cached_tokens + t.cached,
               completion_tokens = d.completion_tokens + t.completion
        FROM unnest(CAST(:ids AS bigint[]), CAST(:damages AS text[]), CAST(:models AS text[]),
                    CAST(:generated_by AS text[]), CAST(:prompt AS int[]), CAST(:cached AS int[]),
                    CAST(:completion AS int[]))
             AS t (id, damages, model, generated_by, prompt, cached, completion)
        WHERE d.id = t.id AND d.openai_batch = :openai_batch
          AND d.status = ANY(CAST(:sources AS text[]))
        """,
        openai_batch=openai_batch,
        ids=[text.id for text in texts],
        damages=[text.damages for text in texts],
        models=[text.model for text in texts],
        generated_by=[text.generated_by for text in texts],
        prompt=[text.prompt_tokens for text in texts],
        cached=[text.cached_tokens for text in texts],
        completion=[text.completion_tokens for text in texts],
        sources=sources(DESCRIPTION_SOURCES, DescriptionStatus.COMPLETED),
    )


_FAILED = """
    UPDATE descriptions d SET status = :status, error_code = t.code, error_message = t.message,
           prompt_tokens = d.prompt_tokens + t.prompt,
           completion_tokens = d.completion_tokens + t.completion {more}
    FROM unnest(CAST(:ids AS bigint[]), CAST(:codes AS text[]), CAST(:messages AS text[]),
                CAST(:prompt AS int[]), CAST(:completion AS int[]) {arrays})
         AS t (id, code, message, prompt, completion {names})
    WHERE d.id = t.id AND d.openai_batch = :openai_batch AND d.status = 'submitted'
"""


def fail(connection: Connection, openai_batch: UUID, texts: Sequence[FailedText]) -> None:
    _give_up(
        connection, _FAILED.format(more="", arrays="", names=""), "failed", openai_batch, texts
    )


def requeue(connection: Connection, openai_batch: UUID, texts: Sequence[Requeued]) -> None:
    """Queue requests for another attempt; a `free` one doesn't count as an attempt."""
    statement = _FAILED.format(
        more=""", openai_batch = NULL, larger = d.larger OR t.larger, attempt = d.attempt - t.free,
           available_at = coalesce(now() + make_interval(secs => t.delay), 'infinity')""",
        arrays=", CAST(:larger AS bool[]), CAST(:free AS int[]), CAST(:delays AS float8[])",
        names=", larger, free, delay",
    )
    _give_up(
        connection,
        statement,
        "queued",
        openai_batch,
        texts,
        larger=[text.larger for text in texts],
        free=[int(text.free) for text in texts],
        delays=[text.delay for text in texts],
    )


def _give_up(
    connection: Connection,
    statement: str,
    status: str,
    openai_batch: UUID,
    texts: Sequence[FailedText],
    **more: object,
) -> None:
    run(
        connection,
        statement,
        status=status,
        openai_batch=openai_batch,
        ids=[text.id for text in texts],
        codes=[text.code for text in texts],
        messages=[text.message for text in texts],
        prompt=[text.prompt_tokens for text in texts],
        completion=[text.completion_tokens for text in texts],
        **more,
    )

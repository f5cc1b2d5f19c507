"""Each job's share of each OpenAI batch."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.status import JOB_ACTIVE, Kind
from generation_service.db.statements import names, rows, run


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOpenAIBatch:
    """A job's share of an OpenAI batch; `id` is OpenAI's, None until it is known."""

    id: str | None
    kind: Kind
    status: str
    requests: int
    completed: int
    failed: int
    created_at: datetime


def count(
    connection: Connection,
    batch_id: UUID,
    completed: Counter[UUID],
    failed: Counter[UUID],
    tokens: tuple[int, int],
) -> None:
    """Add settled requests to each job's share, and (prompt, completion) tokens to the batch."""
    job_ids = sorted({*completed, *failed})
    run(
        connection,
        """
        UPDATE job_openai_batches j
        SET completed = j.completed + c.completed, failed = j.failed + c.failed
        FROM unnest(CAST(:job_ids AS uuid[]), CAST(:completed AS int[]), CAST(:failed AS int[]))
             AS c (job_id, completed, failed)
        WHERE j.openai_batch = :id AND j.job_id = c.job_id
        """,
        id=batch_id,
        job_ids=job_ids,
        completed=[completed[job_id] for job_id in job_ids],
        failed=[failed[job_id] for job_id in job_ids],
    )
    run(
        connection,
        """
        UPDATE openai_batches SET prompt_tokens = prompt_tokens + :prompt,
               completion_tokens = completion_tokens + :completion
        WHERE id = :id
        """,
        id=batch_id,
        prompt=tokens[0],
        completion=tokens[1],
    )


def of_job(connection: Connection, job_id: UUID) -> list[JobOpenAIBatch]:
    """Return a job's OpenAI batches, newest first, with this job's counts."""
    found = rows(
        connection,
        """
        SELECT b.openai_id, b.kind, coalesce(b.openai_status, b.status) AS status, j.requests,
               j.completed, j.failed, b.created_at
        FROM job_openai_batches j JOIN openai_batches b ON b.id = j.openai_batch
        WHERE j.job_id = :job_id ORDER BY b.created_at DESC, b.id
        """,
        job_id=job_id,
    )
    return [
        JobOpenAIBatch(
            id=row.openai_id,
            kind=Kind(row.kind),
            status=row.status,
            requests=row.requests,
            completed=row.completed,
            failed=row.failed,
            created_at=row.created_at,
        )
        for row in found
    ]


def request_cancel(connection: Connection, job_id: UUID) -> None:
    """Mark for cancelling, at OpenAI, the open batches that hold only this job's requests.

    What jobs that have ended left in them, cancelled ones above all, nobody waits for any more.
    """
    run(
        connection,
        """
        UPDATE openai_batches b SET cancel_requested = true, next_try_at = now()
        WHERE b.status <> 'settled'
          AND EXISTS (SELECT 1 FROM job_openai_batches s
                      WHERE s.openai_batch = b.id AND s.job_id = :job_id)
          AND NOT EXISTS (SELECT 1 FROM job_openai_batches s JOIN batch_jobs j ON j.id = s.job_id
                          WHERE s.openai_batch = b.id AND s.job_id <> :job_id AND s.requests > 0
                            AND j.status = ANY(CAST(:active AS text[])))
        """,
        job_id=job_id,
        active=names(JOB_ACTIVE),
    )

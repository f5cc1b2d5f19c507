"""Work moved from OpenAI batches to direct calls."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.status import JOB_ACTIVE, Kind
from generation_service.db.statements import changed, names, rows, run


def near_deadline(connection: Connection, seconds: float) -> list[UUID]:
    """Return the jobs whose run has not ended so many seconds after it began, oldest first."""
    found = rows(
        connection,
        """
        SELECT id FROM batch_jobs
        WHERE status = ANY(CAST(:active AS text[]))
          AND run_started_at <= now() - make_interval(secs => :seconds)
        ORDER BY run_started_at, id
        """,
        active=names(JOB_ACTIVE),
        seconds=seconds,
    )
    return [row.id for row in found]


def divert(connection: Connection, job_id: UUID, limit: int) -> int:
    """Move up to `limit` of a job's queued requests to the direct lane; return how many."""
    return changed(
        connection,
        """
        UPDATE descriptions SET lane = 'direct' WHERE id = ANY(ARRAY(
            SELECT id FROM descriptions
            WHERE job_id = :job_id AND kind = ANY(CAST(:kinds AS text[])) AND status = 'queued'
              AND lane = 'batch'
            LIMIT :limit FOR UPDATE SKIP LOCKED
        ))
        """,
        job_id=job_id,
        kinds=names(Kind),
        limit=limit,
    )


def call_back(connection: Connection, job_ids: Sequence[UUID]) -> int:
    """Have the open OpenAI batches that hold requests of these jobs cancelled; return how many."""
    return changed(
        connection,
        """
        UPDATE openai_batches SET cancel_requested = true, to_direct = true, next_try_at = now()
        WHERE id = ANY(ARRAY(
            SELECT b.id FROM openai_batches b
            WHERE b.status IN ('building', 'uploaded', 'submitted') AND NOT b.to_direct
              AND EXISTS (
                  SELECT FROM job_openai_batches s
                  WHERE s.openai_batch = b.id AND s.job_id = ANY(CAST(:job_ids AS uuid[]))
                    AND s.requests > s.completed + s.failed)
            ORDER BY b.id FOR UPDATE OF b SKIP LOCKED
        ))
        """,
        job_ids=list(job_ids),
    )


def call_back_unsent(connection: Connection) -> int:
    """Take back every OpenAI batch that has not been created yet; return how many."""
    return changed(
        connection,
        """
        UPDATE openai_batches SET to_direct = true, next_try_at = now()
        WHERE id = ANY(ARRAY(
            SELECT id FROM openai_batches WHERE status IN ('building', 'uploaded') AND NOT to_direct
            ORDER BY id FOR UPDATE SKIP LOCKED
        ))
        """,
    )


def release(connection: Connection, openai_batch: UUID, near: float) -> None:
    """Queue again, at no cost, all requests of an OpenAI batch that is certain not to exist.

    Those of jobs whose run began `near` so many seconds ago go by direct calls.
    """
    run(
        connection,
        """
        WITH back AS (
            UPDATE descriptions d
            SET status = 'queued', openai_batch = NULL, attempt = attempt - 1,
                lane = CASE WHEN j.run_started_at <= now() - make_interval(secs => :near)
                            THEN 'direct' ELSE d.lane END
            FROM batch_jobs j
            WHERE d.openai_batch = :openai_batch AND d.status = 'submitted' AND j.id = d.job_id
            RETURNING d.job_id
        ), gone AS (
            SELECT job_id, count(*) AS requests FROM back GROUP BY job_id
        ), kept AS (
            UPDATE job_openai_batches s SET requests = s.requests - gone.requests
            FROM gone WHERE s.openai_batch = :openai_batch AND s.job_id = gone.job_id
              AND s.requests > gone.requests
        )
        DELETE FROM job_openai_batches s USING gone
        WHERE s.openai_batch = :openai_batch AND s.job_id = gone.job_id
          AND s.requests <= gone.requests
        """,
        openai_batch=openai_batch,
        near=near,
    )

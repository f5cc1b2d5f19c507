"""Deleting ended jobs: they are gone for everybody at once; db/erasure.py erases their rows later.

A job of 50,000 lots has up to a million descriptions; no request could wait until they are gone,
nor should one transaction. So deleting takes away what others could still stumble over and marks
the job, which then counts as absent.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.limits import FILE_DAYS
from generation_service.core.status import JOB_DELETED, JOB_ENDED
from generation_service.db.statements import changed, names, rows, run


def delete(connection: Connection, job_id: UUID) -> bool:
    """Delete a job; False when it has not ended. Call it with the job locked (`jobs.lock`).

    A webhook that is on its way arrives, but what came of it is recorded nowhere.
    """
    return bool(_delete(connection, [job_id]))


def delete_old(connection: Connection, *, days: int, limit: int) -> list[UUID]:
    """Delete up to `limit` of the jobs whose last run ended that many days ago."""
    found = rows(
        connection,
        """
        SELECT id FROM batch_jobs
        WHERE completed_at > '-infinity' AND completed_at < now() - make_interval(days => :days)
        ORDER BY completed_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED
        """,
        days=days,
        limit=limit,
    )
    return _delete(connection, [row.id for row in found])


def _delete(connection: Connection, job_ids: Sequence[UUID]) -> list[UUID]:
    # The end of time past puts deleted jobs in front in the index of ended ones; `updated_at` is
    # when to look at one next.
    marked = rows(
        connection,
        """
        UPDATE batch_jobs SET status = :deleted, completed_at = '-infinity', updated_at = now(),
               metadata = NULL, error_message = NULL
        WHERE id = ANY(CAST(:ids AS uuid[])) AND status = ANY(CAST(:ended AS text[]))
        RETURNING id
        """,
        deleted=JOB_DELETED,
        ids=sorted(job_ids),
        ended=names(JOB_ENDED),
    )
    ids = [row.id for row in marked]
    for statement in (
        "DELETE FROM idempotency_keys WHERE job_id = ANY(CAST(:ids AS uuid[]))",
        "DELETE FROM webhook_deliveries WHERE batch_job_id = ANY(CAST(:ids AS uuid[]))",
    ):
        run(connection, statement, ids=ids)
    return ids


def delete_old_openai_batches(connection: Connection, *, days: int, limit: int) -> int:
    """Forget OpenAI batches settled that many days ago, of which no job is left.

    But none before OpenAI has forgotten their files: whoever compares its files with our rows
    would take them for a stranger's.
    """
    return changed(
        connection,
        """
        DELETE FROM openai_batches WHERE id = ANY (ARRAY(
            SELECT id FROM openai_batches b
            WHERE status = 'settled' AND settled_at < now() - make_interval(days => :days)
              AND NOT EXISTS (SELECT FROM job_openai_batches s WHERE s.openai_batch = b.id)
            ORDER BY settled_at LIMIT :limit FOR UPDATE SKIP LOCKED
        ))
        """,
        days=max(days, FILE_DAYS),
        limit=limit,
    )

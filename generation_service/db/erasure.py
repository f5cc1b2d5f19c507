"""Deleting ended jobs: gone for everybody at once, and then erased bit by bit.

A job of 50,000 lots has up to a million descriptions; no request could wait until they are gone,
nor should one transaction. So deleting takes away what others could still stumble over and marks
the job. It then counts as absent, and the sweep erases the rest in short transactions.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.limits import FILE_DAYS
from generation_service.core.status import JOB_DELETED, JOB_ENDED
from generation_service.db.statements import changed, names, rows, run

_ERASED: Final = ("descriptions", "batch_lots", "image_probes")


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
    # The end of time past puts deleted jobs in front in the index of ended ones.
    marked = rows(
        connection,
        """
        UPDATE batch_jobs SET status = :deleted, completed_at = '-infinity', updated_at = now()
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


def erase_some(connection: Connection, *, limit: int) -> bool:
    """Erase up to `limit` rows of a deleted job, and at last the job; False when there is none.

    Processes erase different jobs. Requests of the job may still be in an open OpenAI batch: they
    are cancelled, and answers to what is nowhere are recorded nowhere. The job's row and its share
    of that batch stay until it ends, or packing would not know that OpenAI still works on it.
    """
    anything = " OR ".join(f"EXISTS (SELECT FROM {table} WHERE job_id = j.id)" for table in _ERASED)
    found = rows(
        connection,
        f"""
        SELECT id FROM batch_jobs j
        WHERE completed_at = '-infinity' AND status = :deleted AND ({anything} OR NOT EXISTS (
            SELECT FROM job_openai_batches s JOIN openai_batches b ON b.id = s.openai_batch
            WHERE s.job_id = j.id AND b.status <> 'settled'))
        ORDER BY id LIMIT 1 FOR UPDATE OF j SKIP LOCKED
        """,  # noqa: S608 - names from _ERASED
        deleted=JOB_DELETED,
    )
    if not found:
        return False
    job_id = found[0].id
    if not any(_erase(connection, table, job_id, limit) for table in _ERASED):
        run(connection, "DELETE FROM batch_jobs WHERE id = :id", id=job_id)
    return True


def _erase(connection: Connection, table: str, job_id: UUID, limit: int) -> int:
    return changed(
        connection,
        f"""
        DELETE FROM {table} WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM {table} WHERE job_id = :job_id LIMIT :limit
        ))
        """,  # noqa: S608 - names from _ERASED
        job_id=job_id,
        limit=limit,
    )


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

"""A client's look at a job: counted, found and read in one statement."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.status import Kind
from generation_service.db import rate_limits
from generation_service.db.job_shares import JobOpenAIBatch
from generation_service.db.jobs import COLUMNS, Job, job_of
from generation_service.db.rate_limits import COUNTED, HIT, Window
from generation_service.db.statements import run

# A few hits that a crash of the server forgets are no loss, so no look waits for its disk.
_LOOK = f"""
    {COUNTED}
    SELECT {HIT}, set_config('synchronous_commit', 'off', true), (
        SELECT json_agg(json_build_object(
            'id', b.openai_id, 'kind', b.kind, 'status', coalesce(b.openai_status, b.status),
            'requests', j.requests, 'completed', j.completed, 'failed', j.failed,
            'created_at', b.created_at
        ) ORDER BY b.created_at DESC, b.id)
        FROM job_openai_batches j JOIN openai_batches b ON b.id = j.openai_batch
        WHERE j.job_id = batch_jobs.id
    ) AS openai_batches, {COLUMNS}
    FROM clock LEFT JOIN batch_jobs
        ON id = :job_id AND client = :client AND status <> 'deleted'
"""  # noqa: S608 - put together from constants


def look(
    connection: Connection,
    client: str,
    job_id: UUID | None,
    *,
    key: str,
    limit: int,
    seconds: int,
) -> tuple[Window, Job | None, list[JobOpenAIBatch]]:
    """Count a hit for `key`, and return the client's job with its OpenAI batches, newest first.

    What was found counts only where the window allowed the hit.
    """
    values = {"key": key, "limit": limit, "seconds": seconds, "client": client, "job_id": job_id}
    row = run(connection, _LOOK, **values).one()
    job = None if row.id is None else job_of(row)
    return rate_limits.window(row, limit), job, [_batch(b) for b in row.openai_batches or ()]


def _batch(document: Mapping[str, Any]) -> JobOpenAIBatch:
    return JobOpenAIBatch(
        **{
            **document,
            "kind": Kind(document["kind"]),
            "created_at": datetime.fromisoformat(document["created_at"]),
        }
    )

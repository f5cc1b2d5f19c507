"""A client's look at a job: counted, found and read in one statement."""

from collections.abc import Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.status import JOB_DELETED, Kind
from generation_service.db import rate_limits
from generation_service.db.job_rows import COLUMNS, Job, job_of
from generation_service.db.job_shares import JobOpenAIBatch
from generation_service.db.kept_statements import KeptStatement
from generation_service.db.rate_limits import COUNTED, HIT, NO_WAIT, Window

# What is found is one value: thirty columns take longer to unpack than PostgreSQL to look them up.
_LOOK: Final = KeptStatement(
    "look_at_a_job",
    {"key": "text", "limit": "int", "seconds": "int", "client": "text", "job_id": "uuid"},
    f"""
    {COUNTED}
    SELECT row_to_json(found) FROM (
        SELECT {HIT}, {NO_WAIT}, (
            SELECT json_agg(json_build_object(
                'id', b.openai_id, 'kind', b.kind, 'status', coalesce(b.openai_status, b.status),
                'requests', j.requests, 'completed', j.completed, 'failed', j.failed,
                'created_at', b.created_at
            ) ORDER BY b.created_at DESC, b.id)
            FROM job_openai_batches j JOIN openai_batches b ON b.id = j.openai_batch
            WHERE j.job_id = job.id
        ) AS openai_batches, row_to_json(job) AS job
        FROM clock LEFT JOIN (
            SELECT {COLUMNS} FROM batch_jobs
            WHERE id = :job_id AND client = :client AND status <> '{JOB_DELETED}'
        ) job ON true
    ) found
    """,  # noqa: S608 - put together from constants
)
_TIMES: Final = ("created_at", "updated_at", "run_started_at", "completed_at")


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
    row: Any = SimpleNamespace(**_LOOK.run(connection, **values).scalar_one())
    job = None if row.job is None or job_id is None else _job(job_id, row.job)
    return rate_limits.window(row, limit), job, [_batch(b) for b in row.openai_batches or ()]


def _job(job_id: UUID, document: Mapping[str, Any]) -> Job:
    times = {name: _time(document[name]) for name in _TIMES}
    row: Any = SimpleNamespace(**{**document, **times, "id": job_id})
    return job_of(row)


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _batch(document: Mapping[str, Any]) -> JobOpenAIBatch:
    return JobOpenAIBatch(
        **{
            **document,
            "kind": Kind(document["kind"]),
            "created_at": datetime.fromisoformat(document["created_at"]),
        }
    )

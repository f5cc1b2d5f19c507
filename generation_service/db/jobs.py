"""Jobs: one row each, whose counters say at any moment how far the job has come."""

import json
from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.status import JOB_DELETED, JOB_SOURCES, JobStatus
from generation_service.db.job_rows import COLUMNS, EndedJob, Job, StageCount, job_of
from generation_service.db.statements import changed, rows, run, sources

__all__ = ["COLUMNS", "EndedJob", "Job", "StageCount", "job_of"]
__all__ += ["COUNTERS", "advance", "cancel", "count", "find", "get", "insert", "lock", "page"]


def insert(connection: Connection, **values: Any) -> datetime:
    """Add a pending job and return its creation time."""
    metadata = values.pop("metadata")
    row = run(
        connection,
        """
        INSERT INTO batch_jobs (id, client, status, version, languages, translations, metadata,
                                lots_total, images_total, estimated_cost_nanos)
        VALUES (:id, :client, 'pending', :version, CAST(:languages AS text[]),
                CAST(:translations AS text[]), CAST(:metadata AS jsonb), :lots_total, :images_total,
                :estimated_cost_nanos)
        RETURNING created_at
        """,
        metadata=None if metadata is None else json.dumps(metadata),
        **values,
    ).one()
    created: datetime = row.created_at
    return created


def find(connection: Connection, job_id: UUID, client: str | None) -> Job | None:
    """Return the client's job with this id; with None, whoever's it is."""
    found = rows(
        connection,
        f"""
        SELECT {COLUMNS} FROM batch_jobs
        WHERE id = :id AND client = coalesce(:client, client) AND status <> '{JOB_DELETED}'
        """,  # noqa: S608 - constant columns
        id=job_id,
        client=client,
    )
    return job_of(found[0]) if found else None


def get(connection: Connection, job_id: UUID) -> Job:
    """Return a job that is known to exist, whoever's it is."""
    found = find(connection, job_id, None)
    assert found is not None  # noqa: S101 - or it was deleted
    return found


def page(
    connection: Connection, *, client: str | None, status: JobStatus | None, limit: int, offset: int
) -> tuple[list[Job], int]:
    """Return one page of jobs, newest first, and how many match in all; None leaves it open."""
    where = f"status <> '{JOB_DELETED}'"
    where += "" if client is None else " AND client = :client"
    where += "" if status is None else " AND status = :status"
    found = rows(
        connection,
        f"""
        SELECT {COLUMNS} FROM batch_jobs WHERE {where}
        ORDER BY created_at DESC, id DESC LIMIT :limit OFFSET :offset
        """,  # noqa: S608 - constant columns and conditions
        client=client,
        status=status,
        limit=limit,
        offset=offset,
    )
    total = run(
        connection,
        f"SELECT count(*) FROM batch_jobs WHERE {where}",  # noqa: S608 - constant conditions
        client=client,
        status=status,
    ).scalar_one()
    return [job_of(row) for row in found], total


def lock(connection: Connection, job_ids: Collection[UUID]) -> None:
    """Lock jobs in the order of their ids: the first lock of every settling transaction."""
    run(
        connection,
        """
        SELECT id FROM batch_jobs WHERE id = ANY(CAST(:ids AS uuid[]))
        ORDER BY id FOR NO KEY UPDATE
        """,
        ids=sorted(set(job_ids)),
    )


COUNTERS = frozenset(
    {
        "lots_probed",
        "lots_settled",
        "lots_failed",
        "lots_described",
        "images_completed",
        "images_failed",
        "vision_completed",
        "vision_failed",
        "translation_completed",
        "translation_failed",
    }
)


def count(connection: Connection, job_id: UUID, changes: Counter[str]) -> None:
    """Add to a job's counters; `changes` maps names from COUNTERS to increments."""
    if unknown := set(changes) - COUNTERS:
        raise ValueError(f"no such counters: {sorted(unknown)}")
    if changes:
        added = ", ".join(f"{name} = {name} + :{name}" for name in sorted(changes))
        run(
            connection,
            f"UPDATE batch_jobs SET {added}, updated_at = now() WHERE id = :job_id",  # noqa: S608 - names from COUNTERS
            job_id=job_id,
            **changes,
        )


def advance(connection: Connection, job_ids: Collection[UUID]) -> tuple[int, list[EndedJob]]:
    """Move jobs on as their counters allow; return how many began and which ended just now.

    A job ends when every lot is settled: completed if one lot has a language that was asked for.
    """
    ids = sorted(set(job_ids))
    begun = _begin(connection, ids, JobStatus.PROCESSING, "lots_probed > 0")
    _begin(
        connection,
        ids,
        JobStatus.TRANSLATING,
        "vision_completed + vision_failed = lots_total AND lots_settled < lots_total",
    )
    ended = rows(
        connection,
        """
        UPDATE batch_jobs j SET
            status = CASE WHEN lots_described > 0 THEN 'completed' ELSE 'failed' END,
            error_message = CASE WHEN lots_described > 0 THEN NULL ELSE 'No lot got a description. '
                || coalesce((SELECT error_message FROM batch_lots l
                             WHERE l.job_id = j.id AND error_message IS NOT NULL
                             ORDER BY position LIMIT 1), '') END,
            completed_at = now(), updated_at = now()
        WHERE id = ANY(CAST(:ids AS uuid[])) AND lots_settled = lots_total
          AND status = ANY(CAST(:sources AS text[]))
        RETURNING id, client, run, status, lots_total, lots_failed,
                  CAST(extract(epoch FROM now() - run_started_at) AS float8) AS seconds
        """,
        ids=ids,
        sources=sources(JOB_SOURCES, JobStatus.COMPLETED),
    )
    return begun, [EndedJob(**{**row._asdict(), "status": JobStatus(row.status)}) for row in ended]


def _begin(connection: Connection, ids: list[UUID], status: JobStatus, when: str) -> int:
    return changed(
        connection,
        f"""
        UPDATE batch_jobs SET status = :status, updated_at = now()
        WHERE id = ANY(CAST(:ids AS uuid[])) AND status = ANY(CAST(:sources AS text[])) AND {when}
        """,  # noqa: S608 - constant conditions
        ids=ids,
        status=status.value,
        sources=sources(JOB_SOURCES, status),
    )


def cancel(connection: Connection, job_id: UUID) -> bool:
    """End a job as cancelled; False when it has already ended."""
    return bool(
        changed(
            connection,
            """
            UPDATE batch_jobs SET status = 'cancelled', lots_settled = lots_total,
                   completed_at = now(), updated_at = now()
            WHERE id = :id AND status = ANY(CAST(:sources AS text[]))
            """,
            id=job_id,
            sources=sources(JOB_SOURCES, JobStatus.CANCELLED),
        )
    )

"""Jobs: one row each, whose counters say at any moment how far the job has come."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from generation_service.core.status import JOB_DELETED, JOB_SOURCES, JobStatus
from generation_service.db.statements import changed, rows, run, sources


@dataclass(frozen=True, slots=True)
class StageCount:
    total: int
    completed: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    id: UUID
    client: str
    status: JobStatus
    run: int
    version: str
    languages: tuple[str, ...]
    metadata: Mapping[str, str] | None
    images: StageCount
    vision: StageCount
    translation: StageCount
    lots_total: int
    lots_settled: int
    lots_failed: int
    error_message: str | None
    created_at: datetime
    updated_at: datetime
    run_started_at: datetime
    completed_at: datetime | None


COLUMNS = """
    id, client, status, run, version, languages, cardinality(translations) AS translations,
    metadata::text AS metadata, lots_total, lots_settled, lots_failed,
    images_total, images_completed, images_failed, vision_completed, vision_failed,
    translation_completed, translation_failed, error_message, created_at, updated_at,
    run_started_at, completed_at
"""


def job_of(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        client=row.client,
        status=JobStatus(row.status),
        run=row.run,
        version=row.version,
        languages=tuple(row.languages),
        metadata=None if row.metadata is None else json.loads(row.metadata),
        images=StageCount(row.images_total, row.images_completed, row.images_failed),
        vision=StageCount(row.lots_total, row.vision_completed, row.vision_failed),
        translation=StageCount(
            row.lots_total * row.translations, row.translation_completed, row.translation_failed
        ),
        lots_total=row.lots_total,
        lots_settled=row.lots_settled,
        lots_failed=row.lots_failed,
        error_message=row.error_message,
        created_at=row.created_at,
        updated_at=row.updated_at,
        run_started_at=row.run_started_at,
        completed_at=row.completed_at,
    )


def insert(connection: Connection, **values: Any) -> datetime:
    """Add a pending job and return its creation time."""
    metadata = values.pop("metadata")
    row = run(
        connection,
        """
        INSERT INTO batch_jobs (id, client, status, version, languages, translations, metadata,
                                lots_total, images_total)
        VALUES (:id, :client, 'pending', :version, CAST(:languages AS text[]),
                CAST(:translations AS text[]), CAST(:metadata AS jsonb), :lots_total, :images_total)
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


def advance(connection: Connection, job_ids: Collection[UUID]) -> list[UUID]:
    """Move jobs on as their counters allow; return those that ended just now.

    A job ends when every lot is settled: completed if one lot has a language that was asked for.
    """
    ids = sorted(set(job_ids))
    _begin(connection, ids, JobStatus.PROCESSING, "lots_probed > 0")
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
        RETURNING id
        """,
        ids=ids,
        sources=sources(JOB_SOURCES, JobStatus.COMPLETED),
    )
    return [row.id for row in ended]


def _begin(connection: Connection, ids: list[UUID], status: JobStatus, when: str) -> None:
    run(
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

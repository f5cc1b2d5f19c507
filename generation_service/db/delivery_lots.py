"""What deliveries carry, read when they are sent, from rows that no longer change.

A new run of the job changes them; deliveries of the runs before it then have nothing to carry.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.status import JobStatus
from generation_service.db.lot_documents import ASKED, LOT_DOCUMENT
from generation_service.db.statements import rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The job of a delivery, and the JSON of its part's lots in the order of the request.

    `superseded`: a later run of the job has begun, so there are none.
    """

    job_id: UUID
    status: JobStatus
    completed_at: datetime | None
    metadata: Mapping[str, str] | None
    superseded: bool
    lots: str


def contents(connection: Connection, delivery_ids: Sequence[UUID]) -> dict[UUID, Content]:
    """What each delivery carries, by one look; those of a job that is gone are left out."""
    found = rows(
        connection,
        f"""
        SELECT w.id AS delivery_id, j.id AS job_id, j.status, j.completed_at,
               j.metadata::text AS metadata, w.run < j.run AS superseded,
               coalesce(part.lots, '') AS lots
        FROM webhook_deliveries w JOIN batch_jobs j ON j.id = w.batch_job_id {ASKED}
        CROSS JOIN LATERAL (
            SELECT string_agg({LOT_DOCUMENT}, ',' ORDER BY l.position) AS lots
            FROM batch_lots l
            WHERE w.run = j.run AND l.job_id = j.id AND l.webhook_url = w.webhook_url
              AND l.position BETWEEN w.first_position AND w.last_position
        ) part
        WHERE w.id = ANY(CAST(:ids AS uuid[]))
        """,  # noqa: S608 - constant columns
        ids=list(delivery_ids),
    )
    return {
        row.delivery_id: Content(
            job_id=row.job_id,
            status=JobStatus(row.status),
            completed_at=row.completed_at,
            metadata=None if row.metadata is None else json.loads(row.metadata),
            superseded=row.superseded,
            lots=row.lots,
        )
        for row in found
    }

"""What deliveries carry, read when they are sent, from rows that no longer change.

A new run of the job changes them; deliveries of the runs before it then have nothing to carry.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from generation_service.core.results import LotResult
from generation_service.core.status import JobStatus
from generation_service.db.results import LOT_COLUMNS, LOT_DESCRIPTIONS, lot_result
from generation_service.db.statements import rows, run


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The job of a delivery, and the rows of its part's lots in the order of the request.

    `superseded`: a later run of the job has begun, so there are none.
    """

    job_id: UUID
    status: JobStatus
    completed_at: datetime | None
    languages: Sequence[str]
    metadata: Mapping[str, str] | None
    superseded: bool
    rows: list[Row[Any]] = field(default_factory=list)

    @property
    def lots(self) -> list[LotResult]:
        return [lot_result(row, self.languages) for row in self.rows]


def contents(connection: Connection, delivery_ids: Sequence[UUID]) -> dict[UUID, Content]:
    """What each delivery carries, by one look; those of a job that is gone are left out.

    Call it at the beginning of a transaction.
    """
    run(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    ids = list(delivery_ids)
    ended = rows(
        connection,
        """
        SELECT w.id AS delivery_id, j.id AS job_id, j.status, j.completed_at, j.languages,
               j.metadata::text AS metadata, w.run < j.run AS superseded
        FROM webhook_deliveries w JOIN batch_jobs j ON j.id = w.batch_job_id
        WHERE w.id = ANY(CAST(:ids AS uuid[]))
        """,
        ids=ids,
    )
    found = {
        row.delivery_id: Content(
            job_id=row.job_id,
            status=JobStatus(row.status),
            completed_at=row.completed_at,
            languages=tuple(row.languages),
            metadata=None if row.metadata is None else json.loads(row.metadata),
            superseded=row.superseded,
        )
        for row in ended
    }
    current = [delivery for delivery, content in found.items() if not content.superseded]
    for row in rows(connection, _LOTS, ids=current):
        found[row.delivery_id].rows.append(row)
    return found


_LOTS = f"""
    SELECT w.id AS delivery_id, {LOT_COLUMNS}
    FROM webhook_deliveries w
    JOIN batch_lots l ON l.job_id = w.batch_job_id AND l.webhook_url = w.webhook_url
         AND l.position BETWEEN w.first_position AND w.last_position
    {LOT_DESCRIPTIONS}
    WHERE w.id = ANY(CAST(:ids AS uuid[]))
    ORDER BY w.id, l.position
"""  # noqa: S608 - constant columns

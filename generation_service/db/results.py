"""Lots as clients read them: keyset pages, a short statement each."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row

from generation_service.core.languages import SOURCE, is_source
from generation_service.core.results import LanguageResult, LotError, LotResult
from generation_service.core.status import (
    DESCRIPTION_ACTIVE,
    JOB_DELETED,
    LOT_ACTIVE,
    DescriptionStatus,
    LotStatus,
)
from generation_service.db.jobs import Job
from generation_service.db.statements import names, rows

LOT_COLUMNS = """
    l.position, l.lot_id, l.status, l.error_code, l.error_message, l.missing_images,
    d.languages, d.statuses, d.damages, d.codes, d.messages
"""
"""What `lot_result` reads, of batch_lots l and these descriptions d of each:"""
LOT_DESCRIPTIONS = """
    LEFT JOIN LATERAL (
        SELECT array_agg(language) AS languages, array_agg(status) AS statuses,
               array_agg(damages) AS damages, array_agg(error_code) AS codes,
               array_agg(error_message) AS messages
        FROM descriptions WHERE lot = l.id
    ) d ON true
"""


def lots_page(  # noqa: PLR0913 - the filters of the results' query string
    connection: Connection,
    job: Job,
    *,
    after: int,
    limit: int,
    lot_id: str | None = None,
    status: LotStatus | None = None,
    settled_only: bool = False,
) -> list[LotResult]:
    """Return up to `limit` lots behind position `after` (-1: from the first)."""
    conditions = ["true"]
    if lot_id is not None:
        conditions.append("l.lot_id = :lot_id")
    if status is not None:
        conditions.append("l.status = :status")
    if settled_only:
        conditions.append("l.status <> ALL(CAST(:active AS text[]))")
    found = rows(
        connection,
        f"""
        SELECT {LOT_COLUMNS} FROM (
            SELECT * FROM batch_lots l
            WHERE l.job_id = :job_id AND l.position > :after AND {" AND ".join(conditions)}
            ORDER BY l.position LIMIT :limit
        ) l {LOT_DESCRIPTIONS}
        ORDER BY l.position
        """,  # noqa: S608 - constant columns and conditions
        job_id=job.id,
        after=after,
        limit=limit,
        lot_id=lot_id,
        status=status,
        active=names(LOT_ACTIVE),
    )
    return [lot_result(row, job.languages) for row in found]


def is_as_read(connection: Connection, job: Job) -> bool:
    """Whether the job is there, in the run it was read in: then so are its settled lots."""
    found = rows(
        connection,
        "SELECT FROM batch_jobs WHERE id = :id AND run = :run AND status <> :deleted",
        id=job.id,
        run=job.run,
        deleted=JOB_DELETED,
    )
    return bool(found)


def lot_result(row: Row[Any], languages: Sequence[str]) -> LotResult:
    """Read a row of LOT_COLUMNS; `languages` are those the client asked for, in its order."""
    error = LotError(row.error_code, row.error_message or "") if row.error_code else None
    settled = _settled(row)
    otherwise = (None, error if row.status == LotStatus.FAILED else None)
    return LotResult(
        position=row.position,
        lot_id=row.lot_id,
        status=LotStatus(row.status),
        error=error,
        missing_images=row.missing_images or [],
        languages=[
            LanguageResult(tag, *settled.get(SOURCE if is_source(tag) else tag, otherwise))
            for tag in languages
        ],
    )


def _settled(row: Row[Any]) -> dict[str, tuple[str | None, LotError | None]]:
    columns = (row.languages, row.statuses, row.damages, row.codes, row.messages)
    return {
        language: (
            damages if status == DescriptionStatus.COMPLETED else None,
            LotError(code, message) if status == DescriptionStatus.FAILED else None,
        )
        for language, status, damages, code, message in zip(*map(_list, columns), strict=True)
        if status not in DESCRIPTION_ACTIVE
    }


def _list(values: list[Any] | None) -> list[Any]:
    return values or []

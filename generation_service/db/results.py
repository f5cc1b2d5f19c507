"""Lots as clients read them: keyset pages, a short statement each."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from generation_service.core.languages import SOURCE, is_source
from generation_service.core.results import LanguageResult, LotError, LotResult
from generation_service.core.status import (
    DESCRIPTION_ACTIVE,
    LOT_ACTIVE,
    DescriptionStatus,
    LotStatus,
)
from generation_service.db.jobs import Job
from generation_service.db.statements import names, rows

_PAGE = """
    SELECT l.position, l.lot_id, l.status, l.error_code, l.error_message, l.missing_images,
           d.languages, d.statuses, d.damages, d.codes, d.messages
    FROM (
        SELECT * FROM batch_lots l
        WHERE l.job_id = :job_id AND l.position > :after AND {conditions}
        ORDER BY l.position LIMIT :limit
    ) l
    LEFT JOIN LATERAL (
        SELECT array_agg(language) AS languages, array_agg(status) AS statuses,
               array_agg(damages) AS damages, array_agg(error_code) AS codes,
               array_agg(error_message) AS messages
        FROM descriptions WHERE lot = l.id
    ) d ON true
    ORDER BY l.position
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
    return _read(
        connection,
        job.id,
        job.languages,
        conditions,
        after=after,
        limit=limit,
        lot_id=lot_id,
        status=status,
        active=names(LOT_ACTIVE),
    )


def webhook_lots(
    connection: Connection, job: Job, *, webhook_url: str, first: int, last: int
) -> list[LotResult]:
    """Return the lots between two positions that named this webhook."""
    return _read(
        connection,
        job.id,
        job.languages,
        ["l.webhook_url = :webhook_url", "l.position <= :last"],
        after=first - 1,
        limit=last - first + 1,
        webhook_url=webhook_url,
        last=last,
    )


def _read(
    connection: Connection,
    job_id: UUID,
    languages: Sequence[str],
    conditions: Sequence[str],
    **values: Any,
) -> list[LotResult]:
    statement = _PAGE.format(conditions=" AND ".join(conditions))
    return [_lot(row, languages) for row in rows(connection, statement, job_id=job_id, **values)]


def _lot(row: Row[Any], languages: Sequence[str]) -> LotResult:
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

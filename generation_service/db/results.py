"""Lots of a job as clients read them: keyset pages, one short statement each."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from generation_service.core.limits import RESULTS_PAGE_MISSING
from generation_service.core.results import LotResult, lot_result
from generation_service.core.status import JOB_DELETED, LOT_ACTIVE, LotStatus
from generation_service.db.jobs import Job
from generation_service.db.lot_documents import ASKED, LOT_DOCUMENT
from generation_service.db.statements import names, rows


@dataclass(frozen=True, slots=True)
class LotsPage:
    """`documents` are the JSON objects of lots, one each; the last one stands at `last`.

    `is_end`: no more lots match behind it.
    """

    documents: Sequence[str]
    last: int
    is_end: bool


def lots_page(  # noqa: PLR0913 - the filters of the results' query string
    connection: Connection,
    job: Job,
    *,
    limit: int,
    after: int = -1,
    skip: int = 0,
    lot_id: str | None = None,
    status: LotStatus | None = None,
    settled_only: bool = False,
) -> LotsPage | None:
    """Return up to `limit` lots behind position `after` (-1: from the first) and `skip` more.

    They are fewer where they have many missing photos: a lot may have a megabyte of their URLs.
    None: the job is gone, or in another run than it was read in, and its lots have changed.
    """
    conditions = ["true"]
    if lot_id is not None:
        conditions.append("lot_id = :lot_id")
    if status is not None:
        conditions.append("status = :status")
    if settled_only:
        conditions.append("status <> ALL(CAST(:active AS text[]))")
    found = rows(
        connection,
        f"""
        SELECT l.position, l.found, {LOT_DOCUMENT} AS document
        FROM batch_jobs j {ASKED} LEFT JOIN LATERAL (
            SELECT * FROM (
                SELECT *, count(*) OVER () AS found, sum(cardinality(missing_images)) OVER (
                    ORDER BY position ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                ) AS missing_before
                FROM (
                    SELECT * FROM batch_lots
                    WHERE job_id = j.id AND position > :after AND {" AND ".join(conditions)}
                    ORDER BY position OFFSET :skip LIMIT :limit
                ) page
            ) page
            WHERE coalesce(missing_before, 0) < :missing
        ) l ON true
        WHERE j.id = :job_id AND j.run = :run AND j.status <> '{JOB_DELETED}'
        ORDER BY l.position
        """,  # noqa: S608 - constant columns and conditions
        job_id=job.id,
        run=job.run,
        after=after,
        skip=skip,
        limit=limit,
        missing=RESULTS_PAGE_MISSING,
        lot_id=lot_id,
        status=status,
        active=names(LOT_ACTIVE),
    )
    if not found:
        return None
    if found[-1].position is None:  # the job's own row, without lots
        return LotsPage((), after, is_end=True)
    last = found[-1]
    is_end = len(found) == last.found < limit
    return LotsPage([row.document for row in found], last.position, is_end)


def first_lots(
    connection: Connection, job: Job, *, limit: int, status: LotStatus | None = None
) -> list[LotResult]:
    """The first lots with this status, to look at them one by one."""
    page = lots_page(connection, job, limit=limit, status=status)
    return [] if page is None else [lot_result(json.loads(lot)) for lot in page.documents]

"""Lots moved on by what became of their descriptions.

Call these with the jobs locked (`jobs.lock`): then nobody else settles the same lots meanwhile.
"""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.status import (
    DESCRIPTION_ACTIVE,
    DESCRIPTION_SOURCES,
    LOT_ACTIVE,
    LOT_SOURCES,
    DescriptionStatus,
    LotStatus,
)
from generation_service.db.lots import SettledLot
from generation_service.db.statements import names, rows, run, sources

_LOTS: Final = 1_000  # in 200 languages: a statement of some seconds, however large the job


def queue_translations(
    connection: Connection, lot_ids: Collection[int], *, base_tokens: int
) -> None:
    """Queue the translations of lots whose English just came; they go on as `translating`.

    A request is estimated at `base_tokens` and a third of the text's bytes. It takes the lane that
    the English came by: what that one was in a hurry for, its translations are too.
    """
    if not lot_ids:
        return
    run(
        connection,
        """
        WITH moved AS (
            UPDATE batch_lots l SET status = 'translating'
            FROM batch_jobs j
            WHERE l.id = ANY(CAST(:lots AS bigint[])) AND j.id = l.job_id
              AND l.status = ANY(CAST(:sources AS text[])) AND cardinality(j.translations) > 0
            RETURNING l.id, l.job_id, j.translations
        )
        INSERT INTO descriptions (job_id, lot, kind, language, estimated_tokens, lane)
        SELECT m.job_id, m.id, 'translation', wanted.tag,
               :base_tokens + octet_length(english.damages) / 3, english.lane
        FROM moved m
        JOIN descriptions english ON english.lot = m.id AND english.kind = 'vision'
        CROSS JOIN LATERAL unnest(m.translations) AS wanted (tag)
        ON CONFLICT (lot, language) DO NOTHING
        """,
        lots=sorted(lot_ids),
        base_tokens=base_tokens,
        sources=sources(LOT_SOURCES, LotStatus.TRANSLATING),
    )


def settle_lots(connection: Connection, lot_ids: Collection[int]) -> list[SettledLot]:
    """Settle those of the lots that have no description under way; return the ones settled."""
    if not lot_ids:
        return []
    settled = rows(
        connection,
        """
        WITH done AS (
            SELECT d.lot,
                   (array_agg(d.error_code ORDER BY d.id) FILTER (WHERE d.status = 'failed'))[1]
                       AS code,
                   (array_agg(d.error_message ORDER BY d.id) FILTER (WHERE d.status = 'failed'))[1]
                       AS message,
                   bool_or(d.status = 'failed') AS failed,
                   bool_or(d.status = 'completed' AND (d.kind = 'translation'
                       OR cardinality(j.languages) > cardinality(j.translations))) AS described
            FROM descriptions d JOIN batch_jobs j ON j.id = d.job_id
            WHERE d.lot = ANY(CAST(:lots AS bigint[]))
            GROUP BY d.lot
            HAVING bool_and(d.status <> ALL(CAST(:under_way AS text[])))
        )
        UPDATE batch_lots l SET status = CASE WHEN done.failed THEN 'failed' ELSE 'completed' END,
               error_code = done.code, error_message = done.message
        FROM done WHERE l.id = done.lot AND l.status = ANY(CAST(:sources AS text[]))
        RETURNING l.job_id, l.status, done.described
        """,
        lots=sorted(lot_ids),
        under_way=names(DESCRIPTION_ACTIVE),
        sources=sources(LOT_SOURCES, LotStatus.COMPLETED),
    )
    return [SettledLot(row.job_id, LotStatus(row.status), row.described) for row in settled]


def probe_again(connection: Connection, lot_ids: Collection[int]) -> None:
    """Send lots back to have their photos probed once more."""
    if not lot_ids:
        return
    run(
        connection,
        """
        UPDATE batch_lots SET status = 'pending', reprobe = true,
               lease_token = NULL, lease_expires_at = NULL
        WHERE id = ANY(CAST(:lots AS bigint[])) AND status = ANY(CAST(:sources AS text[]))
        """,
        lots=sorted(lot_ids),
        sources=sources(LOT_SOURCES, LotStatus.PENDING),
    )


def cancel_work(connection: Connection, job_id: UUID) -> None:
    """Cancel every lot and description of a job that has not settled."""
    run(
        connection,
        """
        UPDATE batch_lots SET status = 'cancelled', lease_token = NULL, lease_expires_at = NULL
        WHERE job_id = :job_id AND status = ANY(CAST(:lots AS text[]))
        """,
        job_id=job_id,
        lots=names(LOT_ACTIVE),
    )
    [job] = rows(connection, "SELECT lots_total FROM batch_jobs WHERE id = :id", id=job_id)
    for first in range(0, job.lots_total, _LOTS):
        run(
            connection,
            """
            UPDATE descriptions d SET status = 'cancelled'
            FROM batch_lots l
            WHERE l.job_id = :job_id AND l.position >= :first AND l.position < :behind
              AND d.lot = l.id AND d.status = ANY(CAST(:sources AS text[]))
            """,
            job_id=job_id,
            first=first,
            behind=first + _LOTS,
            sources=sources(DESCRIPTION_SOURCES, DescriptionStatus.CANCELLED),
        )

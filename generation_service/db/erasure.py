"""Erasing deleted jobs (db/deletion.py) bit by bit, in short transactions: some lots at a time.

A request that was cancelled may still be billed: OpenAI has it in an open batch, or a process asks
it directly just now. What books that bill is the request's row, which needs its lot's, which needs
the job's. These stay until no bill can come any more, but bare: all that the client sent and all
that was written is taken out of them on the way. A bare lot has a negative position, so that the
index tells what is still to do, and nobody looks at bare rows again before they can go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.limits import LEASE_SECONDS
from generation_service.core.status import JOB_DELETED
from generation_service.db.statements import changed, rows, run

_FIRST: Final = 0
_FIRST_BARE: Final = -(2**31)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Erasing:
    """A deleted job; `open` are the OpenAI batches that it is in and that are not settled yet."""

    job_id: UUID
    open: Sequence[UUID]
    calls_over: bool
    lots: int
    """As many at once as have about the number of rows that were asked for."""


def erase_some(connection: Connection, *, limit: int, calls_over: bool) -> bool:
    """Erase about `limit` rows of a deleted job, and at last the job; False when there is none.

    Processes erase different jobs. What the client sent and what was written goes first. The bare
    rows of requests whose bill may still come, and with them the job's row and its share of an open
    OpenAI batch, stay until it has ended: packing must know that OpenAI still works on it. A direct
    call may be billed while its lease lasts; unless `calls_over`, also when that has run out.
    """
    found = rows(connection, _NEXT, deleted=JOB_DELETED)
    if not found:
        return False
    job = found[0]
    erasing = _Erasing(
        job_id=job.id,
        open=_open_batches(connection, job.id),
        calls_over=calls_over,
        lots=max(1, limit // (2 + job.translations)),
    )
    if not (_erase_lots(connection, erasing) or _erase_probes(connection, job.id, limit)):
        _end(connection, erasing)
    return True


# Looked up in the order of an index: for a mere EXISTS the planner may read the table from its
# beginning, because it believes that a row turns up soon.
_NEXT: Final = """
    SELECT id, cardinality(translations) AS translations FROM batch_jobs j
    WHERE completed_at = '-infinity' AND status = :deleted AND updated_at <= now() AND (
        (SELECT position FROM batch_lots WHERE job_id = j.id AND position >= 0
         ORDER BY job_id, position LIMIT 1) IS NOT NULL
        OR (SELECT url_hash FROM image_probes WHERE job_id = j.id
            ORDER BY job_id, url_hash LIMIT 1) IS NOT NULL
        OR NOT EXISTS (
            SELECT FROM job_openai_batches s JOIN openai_batches b ON b.id = s.openai_batch
            WHERE s.job_id = j.id AND b.status <> 'settled'))
    ORDER BY id LIMIT 1 FOR UPDATE OF j SKIP LOCKED
"""


def _open_batches(connection: Connection, job_id: UUID) -> list[UUID]:
    found = rows(
        connection,
        """
        SELECT b.id FROM job_openai_batches s JOIN openai_batches b ON b.id = s.openai_batch
        WHERE s.job_id = :job_id AND b.status <> 'settled'
        """,
        job_id=job_id,
    )
    return [row.id for row in found]


def _end(connection: Connection, erasing: _Erasing) -> None:
    """Erase what was left bare and then the job, once nothing of it can be billed any more."""
    if erasing.open:
        return
    bare = _lots(connection, erasing, first=_FIRST_BARE)
    if not bare:
        run(connection, "DELETE FROM batch_jobs WHERE id = :id", id=erasing.job_id)
    elif not _erase_requests(connection, erasing, bare):  # direct calls are under way
        run(
            connection,
            """
            UPDATE batch_jobs SET updated_at = now() + make_interval(secs => :seconds)
            WHERE id = :id
            """,
            id=erasing.job_id,
            seconds=LEASE_SECONDS,
        )


def _erase_lots(connection: Connection, erasing: _Erasing) -> bool:
    """Erase some lots, or leave them bare; False when that was done with all."""
    lots = _lots(connection, erasing, first=_FIRST)
    if lots:
        _erase_requests(connection, erasing, lots)
        run(
            connection,
            """
            UPDATE batch_lots SET position = -1 - position, lot_id = '', additional_info = NULL,
                   image_urls = '{}', missing_images = NULL, webhook_url = NULL,
                   error_code = NULL, error_message = NULL
            WHERE id = ANY(CAST(:lots AS bigint[]))
            """,
            lots=lots,
        )
        run(
            connection,
            """
            UPDATE descriptions SET error_code = NULL, error_message = NULL
            WHERE lot = ANY(CAST(:lots AS bigint[])) AND error_code IS NOT NULL
            """,
            lots=lots,
        )
    return bool(lots)


def _lots(connection: Connection, erasing: _Erasing, *, first: int) -> list[int]:
    found = rows(
        connection,
        """
        SELECT id FROM batch_lots WHERE job_id = :job_id AND position >= :first
        ORDER BY position LIMIT :limit FOR UPDATE
        """,
        job_id=erasing.job_id,
        first=first,
        limit=erasing.lots,
    )
    return [row.id for row in found]


def _erase_requests(connection: Connection, erasing: _Erasing, lots: Sequence[int]) -> bool:
    """Erase the lots' requests that can't be billed any more, and lots without any; whether some.

    The model on a cancelled request tells that its bill has come.
    """
    requests = changed(
        connection,
        """
        DELETE FROM descriptions WHERE lot = ANY(CAST(:lots AS bigint[])) AND (
            status = 'cancelled' AND model IS NULL AND (
                openai_batch = ANY(CAST(:open AS uuid[]))
                OR openai_batch IS NULL AND lease_expires_at IS NOT NULL
                   AND (lease_expires_at > now() OR NOT :calls_over))
        ) IS NOT TRUE
        """,
        lots=lots,
        open=erasing.open,
        calls_over=erasing.calls_over,
    )
    erased = changed(
        connection,
        """
        DELETE FROM batch_lots l WHERE id = ANY(CAST(:lots AS bigint[]))
          AND NOT EXISTS (SELECT FROM descriptions d WHERE d.lot = l.id)
        """,
        lots=lots,
    )
    return requests + erased > 0


def _erase_probes(connection: Connection, job_id: UUID, limit: int) -> bool:
    return bool(
        changed(
            connection,
            """
            DELETE FROM image_probes WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM image_probes WHERE job_id = :job_id LIMIT :limit
            ))
            """,
            job_id=job_id,
            limit=limit,
        )
    )

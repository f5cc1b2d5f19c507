"""Lots: claimed for probing, then moved on as their descriptions settle."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.lots import Lot
from generation_service.core.status import JOB_ACTIVE, LOT_SOURCES, LotStatus
from generation_service.db.statements import copy_line, copy_rows, names, rows, run, sources


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedLot:
    """A lot whose photos this process probes; `known_missing` is set when it was probed before."""

    id: int
    job_id: UUID
    client: str
    image_urls: Sequence[str]
    known_missing: Sequence[str] | None
    additional_info: str | None
    reprobe: bool
    translations: int
    """How many translations fall away if this lot fails."""


@dataclass(frozen=True, slots=True)
class SettledLot:
    job_id: UUID
    status: LotStatus
    described: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedLot:
    """What probing found out; a lot with an `error` fails."""

    id: int
    missing_images: Sequence[str]
    error: tuple[str, str] | None


def copy_all(connection: Connection, job_id: UUID, lots: Iterable[Lot]) -> None:
    columns = "job_id, position, lot_id, additional_info, image_urls, webhook_url"
    copy_rows(
        connection,
        f"batch_lots ({columns})",
        (
            copy_line(
                job_id,
                position,
                lot.lot_id,
                lot.additional_info,
                lot.image_urls,
                lot.webhook_url,
            )
            for position, lot in enumerate(lots)
        ),
    )


def claim(
    connection: Connection,
    *,
    token: UUID,
    limit: int,
    lease_seconds: float,
    photos: int,
    busy: Collection[UUID] = (),
) -> list[ClaimedLot]:
    """Claim pending lots, a few of each job that has some, so that no job waits for another.

    They are at most `limit` and have at most so many `photos`, but there is one whatever it has.
    Jobs that are `busy` get none.
    """
    found = rows(
        connection,
        _CLAIM,
        active=names(JOB_ACTIVE),
        token=token,
        limit=limit,
        lease_seconds=lease_seconds,
        photos=photos,
        busy=sorted(busy),
    )
    return [
        ClaimedLot(
            id=row.id,
            job_id=row.job_id,
            client=row.client,
            image_urls=row.image_urls,
            known_missing=row.missing_images,
            additional_info=row.additional_info,
            reprobe=row.reprobe,
            translations=row.translations,
        )
        for row in found
    ]


_CLAIM: Final = """
    WITH waiting AS (
        SELECT j.id, j.created_at FROM batch_jobs j
        WHERE j.status = ANY(CAST(:active AS text[])) AND j.id <> ALL(CAST(:busy AS uuid[]))
          AND EXISTS (SELECT 1 FROM batch_lots l WHERE l.job_id = j.id AND l.status = 'pending'
                      AND (l.lease_expires_at IS NULL OR l.lease_expires_at < now())
                      AND l.lease_token IS DISTINCT FROM :token)
        ORDER BY j.created_at LIMIT :limit
    ), picked AS MATERIALIZED (
        SELECT l.*, row_number() OVER (PARTITION BY w.id ORDER BY l.position) AS turn,
               w.created_at
        FROM waiting w CROSS JOIN LATERAL (
            SELECT id, position, cardinality(image_urls) AS photos FROM batch_lots
            WHERE job_id = w.id AND status = 'pending'
              AND (lease_expires_at IS NULL OR lease_expires_at < now())
              AND lease_token IS DISTINCT FROM :token
            ORDER BY position
            LIMIT greatest(1, :limit / (SELECT count(*) FROM waiting))
            FOR UPDATE SKIP LOCKED
        ) l
    ), counted AS (
        SELECT id, sum(photos) OVER w AS photos, row_number() OVER w AS place FROM picked
        WINDOW w AS (ORDER BY turn, created_at, id)
    )
    UPDATE batch_lots l SET lease_token = :token,
           lease_expires_at = now() + make_interval(secs => :lease_seconds)
    FROM batch_jobs j WHERE j.id = l.job_id
      AND l.id = ANY(ARRAY(SELECT id FROM counted WHERE photos <= :photos OR place = 1))
    RETURNING l.id, l.job_id, j.client, l.image_urls, l.missing_images, l.additional_info,
              l.reprobe, cardinality(j.translations) AS translations
"""


def renew(connection: Connection, token: UUID, ids: Collection[int], lease_seconds: float) -> None:
    run(
        connection,
        """
        UPDATE batch_lots SET lease_expires_at = now() + make_interval(secs => :seconds)
        WHERE id = ANY(CAST(:ids AS bigint[])) AND lease_token = :token AND status = 'pending'
        """,
        ids=list(ids),
        token=token,
        seconds=lease_seconds,
    )


def release(connection: Connection, token: UUID, ids: Collection[int], *, after: float) -> None:
    """Give lots back; they can be claimed again in `after` seconds."""
    run(
        connection,
        """
        UPDATE batch_lots SET lease_token = NULL,
               lease_expires_at = now() + make_interval(secs => :after)
        WHERE id = ANY(CAST(:ids AS bigint[])) AND lease_token = :token
        """,
        ids=list(ids),
        token=token,
        after=after,
    )


def record_probe(connection: Connection, token: UUID, lots: Sequence[ProbedLot]) -> set[int]:
    """Record what probing found, where the lease still holds; return the lots recorded."""
    recorded = rows(
        connection,
        """
        UPDATE batch_lots l SET missing_images = found.missing, lease_token = NULL,
               lease_expires_at = NULL,
               status = CASE WHEN found.code IS NULL THEN 'processing' ELSE 'failed' END,
               error_code = found.code, error_message = found.message
        FROM unnest(CAST(:ids AS bigint[]), CAST(:codes AS text[]), CAST(:messages AS text[]))
             WITH ORDINALITY AS lot (id, code, message, n)
        CROSS JOIN LATERAL (SELECT lot.code, lot.message, ARRAY(
            SELECT jsonb_array_elements_text(CAST(:missing AS jsonb) -> CAST(lot.n - 1 AS int))
        ) AS missing) found
        WHERE l.id = lot.id AND l.lease_token = :token AND l.status = ANY(CAST(:sources AS text[]))
        RETURNING l.id
        """,
        ids=[lot.id for lot in lots],
        codes=[lot.error[0] if lot.error else None for lot in lots],
        messages=[lot.error[1] if lot.error else None for lot in lots],
        missing=_json_lists([lot.missing_images for lot in lots]),
        token=token,
        sources=sources(LOT_SOURCES, LotStatus.PROCESSING),
    )
    return {row.id for row in recorded}


def _json_lists(lists: Sequence[Sequence[str]]) -> str:
    return json.dumps([list(items) for items in lists])

"""A job's lots as operators look at them: a page at a time, with photos and texts."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.status import DescriptionStatus, LotStatus
from generation_service.db.statements import rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """A lot as it was ordered and what has become of it; see BatchLot for the columns."""

    id: int
    position: int
    lot_id: str
    additional_info: str | None
    image_urls: Sequence[str]
    missing_images: Sequence[str] | None
    status: LotStatus
    error_code: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A lot in one language, or how far it has come; costs are billionths of a US dollar."""

    lot: int
    language: str
    status: DescriptionStatus
    damages: str | None
    model: str | None
    generated_by: str | None
    tokens: int
    cost_nanos: int
    error_code: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LotsPage:
    """By position; whether there are more on either side."""

    lots: list[Lot]
    has_before: bool
    has_after: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which lots are wanted: of a status, with ids that have this `beginning`."""

    status: LotStatus | None = None
    beginning: str = ""


_COLUMNS = """
    id, position, lot_id, additional_info, image_urls, missing_images, status, error_code,
    error_message
"""


def page(
    connection: Connection,
    job_id: UUID,
    *,
    wanted: Filter,
    before: int | None,
    after: int | None,
    limit: int,
) -> LotsPage:
    """Up to `limit` lots from the first one, behind position `after` or ahead of `before`."""
    if before is not None:
        found = _found(connection, job_id, wanted, ("<", before), limit + 1)
        if len(found) > limit:
            return LotsPage(lots=found[:limit][::-1], has_before=True, has_after=True)
        after = None  # near the top, the first page shows it all and more
    found = _found(connection, job_id, wanted, (">", -1 if after is None else after), limit + 1)
    return LotsPage(lots=found[:limit], has_before=after is not None, has_after=len(found) > limit)


def _found(
    connection: Connection,
    job_id: UUID,
    wanted: Filter,
    place: tuple[str, int],
    limit: int,
) -> list[Lot]:
    also = _having(wanted.status)
    also += " AND starts_with(lot_id, :beginning)" if wanted.beginning else ""
    side, position = place
    order = "ASC" if side == ">" else "DESC"
    found = rows(
        connection,
        f"""
        SELECT {_COLUMNS} FROM batch_lots
        WHERE job_id = :job_id AND position {side} :position{also}
        ORDER BY position {order} LIMIT :limit
        """,  # noqa: S608 - constant columns, an enum and a sign
        job_id=job_id,
        position=position,
        beginning=wanted.beginning,
        limit=limit,
    )
    return [_lot(row._asdict()) for row in found]


def _having(status: LotStatus | None) -> str:
    """A condition; the status stands in its text, so that a plan can use the failed ones' index."""
    return "" if status is None else f" AND status = '{status.value}'"


def find(
    connection: Connection, job_id: UUID, lot_id: str, *, status: LotStatus | None
) -> Lot | None:
    """The lot with this id, if it has this status."""
    found = rows(
        connection,
        f"""
        SELECT {_COLUMNS} FROM batch_lots
        WHERE job_id = :job_id AND lot_id = :lot_id{_having(status)}
        """,  # noqa: S608 - constant columns and an enum
        job_id=job_id,
        lot_id=lot_id,
    )
    return _lot(found[0]._asdict()) if found else None


def texts(connection: Connection, lots: Collection[int], languages: Collection[str]) -> list[Text]:
    """These lots in these languages, and whatever of them failed in any language."""
    found = rows(
        connection,
        """
        SELECT lot, language, status, damages, model, generated_by,
               prompt_tokens + completion_tokens AS tokens, cost_nanos, error_code, error_message
        FROM descriptions
        WHERE lot = ANY(CAST(:lots AS bigint[]))
          AND (language = ANY(CAST(:languages AS text[])) OR status = 'failed')
        ORDER BY lot, language
        """,
        lots=list(lots),
        languages=list(languages),
    )
    return [Text(**{**row._asdict(), "status": DescriptionStatus(row.status)}) for row in found]


def reasons(connection: Connection, job_id: UUID, urls: Collection[str]) -> Mapping[str, str]:
    """URL -> why it was unreachable, a code of images.ImageCheck."""
    found = rows(
        connection,
        """
        SELECT url, (SELECT reason FROM image_probes
                     WHERE job_id = :job_id AND url_hash = CAST(md5(url) AS uuid)) AS reason
        FROM unnest(CAST(:urls AS text[])) AS url
        """,
        job_id=job_id,
        urls=list(urls),
    )
    return {row.url: row.reason for row in found if row.reason}


def _lot(fields: dict[str, Any]) -> Lot:
    return Lot(**{**fields, "status": LotStatus(fields["status"])})

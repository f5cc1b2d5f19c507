"""The lots of a job's page: photos, what is missing of them, and the texts side by side."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from flask import url_for
from sqlalchemy import Connection

from generation_service.admin.job_words import photo_fault
from generation_service.core.languages import SOURCE
from generation_service.core.limits import (
    ADMIN_PAGE_LOTS,
    ADMIN_PHOTOS_A_LOT,
    MAX_IMAGES_PER_LOT,
    MAX_LOT_ID_CHARS,
)
from generation_service.core.status import DescriptionStatus, LotStatus
from generation_service.core.text import storable
from generation_service.db import admin_lots
from generation_service.db.admin_jobs import BilledJob
from generation_service.db.admin_lots import Filter, Lot, LotsPage, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which lots are shown: by status, by the beginning of their id; and in which language."""

    status: LotStatus | None
    search: str | None
    language: str | None
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """`number` is its place in the lot, from 1; `fault` says why it is missing."""

    number: int
    url: str
    fault: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLot:
    """`more` is how many photos are left out; `failed` are languages that are not shown."""

    lot: Lot
    photos: Sequence[Photo]
    missing: Sequence[Photo]
    more: int
    english: Text | None
    other: Text | None
    failed: Sequence[Text]


@dataclass(frozen=True, slots=True, kw_only=True)
class LotList:
    job_id: UUID
    wanted: Wanted
    lots: list[ShownLot]
    has_before: bool
    has_after: bool

    def url(self, **changes: object) -> str:
        """The job's page with other lots on it; None leaves a filter out."""
        wanted = self.wanted
        kept = {"status": wanted.status, "lot": wanted.search, "language": wanted.language}
        values: dict[str, Any] = {**kept, **changes, "_anchor": "lots"}
        return url_for("admin.job", job_id=self.job_id, **values)


def wanted_lots(arguments: Mapping[str, str], job: BilledJob) -> Wanted:
    """Read the filters; what makes no sense filters nothing."""
    status, language = arguments.get("status", ""), arguments.get("language", "")
    search = storable(arguments.get("lot", ""), MAX_LOT_ID_CHARS).strip()
    first = job.translated[0] if job.translated else None
    return Wanted(
        status=LotStatus(status) if status in set(LotStatus) else None,
        search=search or None,
        language=language if language in job.translated else first,
        before=_position(arguments.get("before", "")),
        after=_position(arguments.get("after", "")),
    )


def lot_list(connection: Connection, job: BilledJob, wanted: Wanted) -> LotList:
    job_id = job.job.id
    page = _page(connection, job_id, wanted)
    alone = len(page.lots) == 1
    languages = [SOURCE, *([wanted.language] if wanted.language else [])]
    by_lot: dict[int, list[Text]] = defaultdict(list)
    for text in admin_lots.texts(connection, [lot.id for lot in page.lots], languages):
        by_lot[text.lot].append(text)
    most = MAX_IMAGES_PER_LOT if alone else ADMIN_PHOTOS_A_LOT
    missing = {url for lot in page.lots for url in islice(lot.missing_images or (), most)}
    reasons = admin_lots.reasons(connection, job_id, missing)
    return LotList(
        job_id=job_id,
        wanted=wanted,
        lots=[_shown(lot, by_lot[lot.id], wanted.language, reasons, most) for lot in page.lots],
        has_before=page.has_before,
        has_after=page.has_after,
    )


def _page(connection: Connection, job_id: UUID, wanted: Wanted) -> LotsPage:
    if wanted.search:
        lot = admin_lots.find(connection, job_id, wanted.search, status=wanted.status)
        if lot is not None:
            return LotsPage(lots=[lot], has_before=False, has_after=False)
    return admin_lots.page(
        connection,
        job_id,
        wanted=Filter(status=wanted.status, beginning=wanted.search or ""),
        before=wanted.before,
        after=wanted.after,
        limit=ADMIN_PAGE_LOTS,
    )


def _shown(
    lot: Lot, texts: Iterable[Text], language: str | None, reasons: Mapping[str, str], most: int
) -> ShownLot:
    by_language = {text.language: text for text in texts}
    shown = {SOURCE, language}
    photos, missing = _photos(lot, reasons)
    left_out = max(0, len(photos) - most) + max(0, len(missing) - most)
    return ShownLot(
        lot=lot,
        photos=photos[:most],
        missing=missing[:most],
        more=left_out,
        english=by_language.get(SOURCE),
        other=by_language.get(language) if language else None,
        failed=[
            text
            for tag, text in by_language.items()
            if tag not in shown and text.status is DescriptionStatus.FAILED
        ],
    )


def _photos(lot: Lot, reasons: Mapping[str, str]) -> tuple[list[Photo], list[Photo]]:
    """The photos that passed the probe and those that did not; neither before it is over."""
    if lot.missing_images is None:
        return [], []
    missing = set(lot.missing_images)
    photos: list[Photo] = []
    faulty: list[Photo] = []
    for number, url in enumerate(lot.image_urls, start=1):
        if url in missing:
            faulty.append(Photo(number=number, url=url, fault=photo_fault(reasons.get(url))))
        else:
            photos.append(Photo(number=number, url=url))
    return photos, faulty


def _position(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None  # noqa: PLR2004 - of more digits than any job has lots

"""What probing found, recorded with all that follows from it, in one transaction."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from uuid import UUID

from sqlalchemy import Connection

from generation_service.core.images import TOO_FEW, too_few
from generation_service.core.prompts import vision_tokens
from generation_service.db import descriptions, jobs, lots, probes
from generation_service.db.lots import ClaimedLot, ProbedLot
from generation_service.pipeline import job_reports, settle
from generation_service.pipeline.probe_window import HeldLot, News
from generation_service.pipeline.resources import Resources

_Recorded = Sequence[tuple[ClaimedLot, ProbedLot]]


def record(connection: Connection, resources: Resources, token: UUID, news: News) -> None:
    """Record photos and lots where the lease still holds; give back what can't be judged now."""
    judged = [held for held in news.done if held.again_in is None]
    jobs.lock(connection, {*news.found, *(held.lot.job_id for held in judged)})
    for job_id in sorted(news.found):
        probes.record(connection, job_id, token, news.found[job_id])
    for job_id in sorted(news.left):
        probes.release(connection, job_id, news.left[job_id], token=token)
    _release(connection, token, news.done)
    _settle(connection, resources, token, judged)


def _release(connection: Connection, token: UUID, done: Iterable[HeldLot]) -> None:
    waits = [(held.again_in, held.lot.id) for held in done if held.again_in is not None]
    for after, group in groupby(sorted(waits), key=lambda wait: wait[0]):
        lots.release(connection, token, [lot for _after, lot in group], after=after)


def _settle(
    connection: Connection, resources: Resources, token: UUID, judged: Sequence[HeldLot]
) -> None:
    found = [_verdict(held, resources.settings.image_threshold) for held in judged]
    recorded = lots.record_probe(connection, token, found)
    kept = [
        (held.lot, probed)
        for held, probed in zip(judged, found, strict=True)
        if probed.id in recorded
    ]
    _queue(connection, resources, kept)
    _fail_held(connection, kept)
    job_reports.probed(connection, kept)
    for job_id, changes in sorted(_counts(kept).items()):
        settle.count_and_end(connection, job_id, changes)


def _verdict(held: HeldLot, threshold: float) -> ProbedLot:
    urls = held.lot.image_urls
    missing = [url for url in urls if url in held.missing]
    reason = too_few(urls, missing, threshold)
    return ProbedLot(
        id=held.lot.id, missing_images=missing, error=None if reason is None else (TOO_FEW, reason)
    )


def _queue(connection: Connection, resources: Resources, recorded: _Recorded) -> None:
    detail = resources.settings.image_detail
    descriptions.queue_vision(
        connection,
        [
            (
                lot.id,
                vision_tokens(
                    len(lot.image_urls) - len(probed.missing_images), lot.additional_info, detail
                ),
            )
            for lot, probed in recorded
            if probed.error is None
        ],
    )


def _fail_held(connection: Connection, recorded: _Recorded) -> None:
    """Fail what lots have waiting that were described in vain before, in this run or an earlier."""
    failed = {lot.id: probed.error for lot, probed in recorded if probed.error is not None}
    if failed:
        descriptions.fail_held(connection, failed)


def _counts(recorded: _Recorded) -> dict[UUID, Counter[str]]:
    """What probing adds to jobs' counters; a second probe adds only the difference."""
    counters: dict[UUID, Counter[str]] = {}
    for lot, probed in recorded:
        counter = counters.setdefault(lot.job_id, Counter())
        before = lot.known_missing
        total, missing = len(lot.image_urls), len(probed.missing_images)
        known = 0 if before is None else total - len(before)
        counter["images_failed"] += missing - len(before or ())
        counter["images_completed"] += total - missing - known
        counter["lots_probed"] += before is None
        if probed.error is not None:
            counter["vision_failed"] += 1
            counter["translation_failed"] += lot.translations
            counter["lots_settled"] += 1
            counter["lots_failed"] += 1
    return counters

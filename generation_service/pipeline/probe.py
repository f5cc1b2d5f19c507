"""Probing: which of a lot's photos can be fetched, before anything is paid for."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import accumulate
from uuid import UUID, uuid4

from sqlalchemy import Connection

from generation_service.core.images import TOO_FEW, too_few
from generation_service.core.limits import IMAGE_TOTAL_SECONDS, LEASE_SECONDS
from generation_service.core.prompts import vision_tokens
from generation_service.db import descriptions, jobs, lots, probes
from generation_service.db.lots import ClaimedLot, ProbedLot
from generation_service.pipeline import settle
from generation_service.pipeline.lease import Renewal
from generation_service.pipeline.resources import Beat, Resources
from generation_service.pipeline.transactions import transaction

_LOTS_A_CLAIM = 200
_IMAGES_A_CLAIM = 4_000
_CLAIM_SECONDS = IMAGE_TOTAL_SECONDS + 2
_RECHECK_SECONDS = 1.0  # when another process is probing one of our lots' URLs

_ByJob = dict[UUID, list[ClaimedLot]]


def tick(resources: Resources, beat: Beat) -> bool:
    """Probe the photos of some pending lots; False when there were none."""
    token = uuid4()
    claimed = _claim(resources, token)
    with Renewal(lambda: _renew(resources, token, beat)):
        ours = {
            job_id: transaction(
                resources.engine, partial(_claim_urls, job_id=job_id, token=token, claimed=group)
            )
            for job_id, group in claimed.items()
        }
        askers = {url: claimed[job_id][0].client for job_id, urls in ours.items() for url in urls}
        results = _check(resources, askers, beat)
        for job_id, group in claimed.items():
            found = {url: results[url] for url in ours[job_id] if url in results}
            _record(resources, job_id, token, group, found)
    return bool(claimed)


def _check(resources: Resources, askers: Mapping[str, str], beat: Beat) -> dict[str, str | None]:
    """Probe each URL, on behalf of its client; what has no answer in time is left for later.

    Hosts take turns, so slow photos of one job hold nobody up for longer than this.
    """
    results: dict[str, str | None] = {}
    checks = resources.prober.check(askers, seconds=_CLAIM_SECONDS, asker_of=askers.get)
    with closing(checks):
        for url, check in checks:
            results[url] = check.reason
            if not beat():
                break
    return results


def _claim(resources: Resources, token: UUID) -> _ByJob:
    """Claim lots by job, up to so many photos; what is over goes back at once."""

    def claim(connection: Connection) -> _ByJob:
        claimed = lots.claim(
            connection, token=token, limit=_LOTS_A_CLAIM, lease_seconds=LEASE_SECONDS
        )
        counted = accumulate(len(lot.image_urls) for lot in claimed)
        room = max(1, sum(total <= _IMAGES_A_CLAIM for total in counted))
        lots.release(connection, token, [lot.id for lot in claimed[room:]], after=0)
        by_job: _ByJob = {}
        for lot in claimed[:room]:
            by_job.setdefault(lot.job_id, []).append(lot)
        return by_job

    return transaction(resources.engine, claim)


def _renew(resources: Resources, token: UUID, beat: Beat) -> None:
    beat()  # photos of a parked host may let a minute pass between two answers
    with resources.engine.begin() as connection:
        lots.renew(connection, token, LEASE_SECONDS)
        probes.renew(connection, token, LEASE_SECONDS)


def _record(
    resources: Resources,
    job_id: UUID,
    token: UUID,
    claimed: Sequence[ClaimedLot],
    found: Mapping[str, str | None],
) -> None:
    def record(connection: Connection) -> None:
        jobs.lock(connection, [job_id])
        probes.record(connection, job_id, token, found)
        _settle_lots(connection, resources, job_id, token, claimed)

    transaction(resources.engine, record)


def _claim_urls(
    connection: Connection, job_id: UUID, token: UUID, claimed: Sequence[ClaimedLot]
) -> list[str]:
    ours: list[str] = []
    for again in (False, True):
        urls = _distinct(lot.image_urls for lot in claimed if lot.reprobe is again)
        ours += probes.claim(
            connection, job_id, urls, token=token, lease_seconds=LEASE_SECONDS, again=again
        )
    return list(dict.fromkeys(ours))


def _distinct(lists: Iterable[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(url for urls in lists for url in urls))


def _settle_lots(
    connection: Connection,
    resources: Resources,
    job_id: UUID,
    token: UUID,
    claimed: Sequence[ClaimedLot],
) -> None:
    """Record every lot whose photos are all known; the others wait for another process."""
    known = probes.known(connection, job_id, _distinct(lot.image_urls for lot in claimed))
    ready = [lot for lot in claimed if all(url in known for url in lot.image_urls)]
    found = [_judge(lot, known, resources.settings.image_threshold) for lot in ready]
    recorded = lots.record_probe(connection, token, found)
    kept = [(lot, probed) for lot, probed in zip(ready, found, strict=True) if lot.id in recorded]
    _queue(connection, resources, kept)
    _fail_held(connection, kept)
    settle.count_and_end(connection, job_id, _counts(kept))
    waiting = {lot.id for lot in claimed} - {lot.id for lot in ready}
    lots.release(connection, token, waiting, after=_RECHECK_SECONDS)


def _judge(lot: ClaimedLot, known: dict[str, bool], threshold: float) -> ProbedLot:
    missing = [url for url in lot.image_urls if not known[url]]
    reason = too_few(lot.image_urls, missing, threshold)
    return ProbedLot(
        id=lot.id, missing_images=missing, error=None if reason is None else (TOO_FEW, reason)
    )


_Recorded = Sequence[tuple[ClaimedLot, ProbedLot]]


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


def _counts(recorded: _Recorded) -> Counter[str]:
    """What probing adds to the job's counters; a second probe adds only the difference."""
    counter: Counter[str] = Counter()
    for lot, probed in recorded:
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
    return counter

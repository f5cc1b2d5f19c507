"""Settling: what became of requests, recorded with all that follows, in one transaction.

The last lot of a job, the end of its run and the insertion of its webhook deliveries stand or
fall together, so a crash can leave none of them without the others.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Connection, Engine

from generation_service.core.charges import Charge, Tariff, total
from generation_service.core.lanes import FALLBACK_AFTER_SECONDS
from generation_service.core.limits import BATCH_WINDOW_HOURS
from generation_service.core.prompts import translation_tokens
from generation_service.core.replies import Failure, Reply, Retry
from generation_service.core.status import Kind, LotStatus
from generation_service.core.token_estimates import Usage, credible
from generation_service.core.verdicts import Again, How, Verdict, judge
from generation_service.db import (
    charges,
    deliveries,
    descriptions,
    job_shares,
    jobs,
    openai_batches,
    probes,
    settling,
)
from generation_service.db.descriptions import Submitted
from generation_service.db.openai_batches import ClaimedBatch
from generation_service.pipeline import job_reports
from generation_service.pipeline import judged as judging
from generation_service.pipeline.judged import Judged, Late
from generation_service.pipeline.transactions import transaction

_ROWS = 500
_FREE_SECONDS = BATCH_WINDOW_HOURS * 3600
"""Attempts are free only while the job gets on: without this, a full queue could last for ever."""
_UNSTARTED = frozenset({"openai_expired", "openai_cancelled"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply to one request; `attempt` guards against a line of an attempt long given up."""

    description: int
    attempt: int
    reply: Reply


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the requests that have a text now were estimated at and billed, and why others failed.

    Answers that nobody waited for, as in a file that is read again, are in neither.
    """

    usage: Usage
    failures: Counter[str]


def record_answers(
    connection: Connection, batch: ClaimedBatch, answers: Sequence[Answer], tariff: Tariff
) -> Recorded:
    """Record answers to requests of `batch`; raises LeaseLostError when it was taken over.

    Of two answers to one request the first one counts.
    """
    judged, late = _record_matching(connection, _holder(batch), answers, tariff)
    _count(connection, batch, judged)
    _book(connection, [*judged, *late], tariff)
    done = [(each.row.estimated_tokens, each.charge.prompt_tokens) for each in judged if each.done]
    usage = sum((credible(*tokens) for tokens in done), Usage())
    return Recorded(usage, judging.failures(judged))


def record_calls(
    connection: Connection, token: UUID, answers: Sequence[Answer], tariff: Tariff
) -> set[int]:
    """Record answers to direct calls made under `token`; return the requests that were still its.

    The others were given up meanwhile: nothing about them changes, but that cancelled ones are
    charged what they cost.
    """
    judged, late = _record_matching(connection, _Holder(token), answers, tariff)
    _book(connection, [*judged, *late], tariff)
    return {each.row.id for each in judged}


def settle_rest(engine: Engine, batch: ClaimedBatch, failure: Failure) -> None:
    """Record `failure` for every request of `batch` that has no answer, and so no bill."""
    holder = _holder(batch)

    def settle_some(connection: Connection) -> bool:
        ids = descriptions.missing_ids(connection, batch.id, _ROWS)
        found = _locked(connection, holder, ids)
        judged = [Judged(row, _verdict(row, failure, holder), Charge()) for row in found]
        _record(connection, holder, judged)
        _count(connection, batch, judged)
        return bool(ids)

    while transaction(engine, settle_some):
        pass


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who holds the requests: an OpenAI batch, or, by its token, a process that calls directly.

    With `to_direct` what is left of an OpenAI batch costs no attempt, and goes on by direct calls
    where the deadline is near.
    """

    id: UUID
    to_direct: bool = False


def _holder(batch: ClaimedBatch) -> _Holder:
    return _Holder(batch.id, batch.to_direct)


def _record_matching(
    connection: Connection, holder: _Holder, answers: Sequence[Answer], tariff: Tariff
) -> tuple[list[Judged], list[Late]]:
    """Record the answers that are waited for, and charge those that were until a cancellation."""
    replies = {(a.description, a.attempt): a.reply for a in reversed(answers)}
    found = _locked(connection, holder, {answer.description for answer in answers})
    judged = []
    for row in found:
        reply = replies.pop((row.id, row.attempt), None)
        if reply is not None:
            verdict = _verdict(row, reply, holder)
            judged.append(Judged(row, verdict, tariff.charge(row.kind, reply)))
    _record(connection, holder, judged)
    return judged, _charge_cancelled(connection, holder, replies, tariff)


def _locked(connection: Connection, holder: _Holder, ids: Collection[int]) -> list[Submitted]:
    jobs.lock(connection, descriptions.jobs_of(connection, ids))
    return descriptions.submitted(connection, holder.id, ids, near=FALLBACK_AFTER_SECONDS)


def _charge_cancelled(
    connection: Connection,
    holder: _Holder,
    replies: Mapping[tuple[int, int], Reply],
    tariff: Tariff,
) -> list[Late]:
    """Charge cancelled requests for answers that nobody waits for any more."""
    if not replies:
        return []
    found = charges.cancelled(connection, holder.id, {request for request, _ in replies})
    late = [
        Late(row, reply, tariff.charge(row.kind, reply))
        for row in found
        if (reply := replies.get((row.id, row.attempt))) is not None
    ]
    charges.charge_cancelled(
        connection, [(each.row.id, tariff.models[each.row.kind], each.charge) for each in late]
    )
    return late


def _record(connection: Connection, holder: _Holder, judged: Sequence[Judged]) -> None:
    if done := judging.completed(judged):
        descriptions.complete(connection, holder.id, done)
    if failed := judging.failed(judged):
        descriptions.fail(connection, holder.id, failed)
    if again := judging.requeued(judged, to_direct=holder.to_direct):
        descriptions.requeue(connection, holder.id, again)
    _follow_up(connection, judged)


def _count(connection: Connection, batch: ClaimedBatch, judged: Sequence[Judged]) -> None:
    billed = total([each.charge for each in judged])
    job_shares.count(
        connection,
        batch.id,
        Counter(each.row.job_id for each in judged if each.done),
        Counter(each.row.job_id for each in judged if not each.done),
        (billed.prompt_tokens, billed.completion_tokens),
    )
    openai_batches.hold(connection, batch)


def _book(connection: Connection, billed: Sequence[Judged | Late], tariff: Tariff) -> None:
    charges.add_to_jobs(connection, judging.charges(billed), judging.simulated(billed))
    charges.add_to_hour(connection, judging.tallies(billed, tariff))


def _verdict(row: Submitted, reply: Reply, holder: _Holder) -> Verdict:
    if isinstance(reply, Failure):
        if holder.to_direct and reply.code in _UNSTARTED:
            reply = replace(reply, retry=Retry.FREE)
        elif reply.retry is Retry.FREE and row.idle > _FREE_SECONDS:
            reply = replace(reply, retry=Retry.AGAIN)
    # A translation has no photos: a probe for it would never come, and it would wait for ever.
    reprobed = row.reprobed or row.kind is Kind.TRANSLATION
    return judge(reply, attempt=row.attempt, larger=row.larger, reprobed=reprobed)


def _follow_up(connection: Connection, judged: Sequence[Judged]) -> None:
    again = [
        (each.row, each.verdict.failure)
        for each in judged
        if isinstance(each.verdict, Again) and each.verdict.how is How.AFTER_PROBE
    ]
    for row, failure in again:
        if failure.image_url:
            probes.refute(connection, row.job_id, failure.image_url)
    settling.probe_again(connection, {row.lot for row, _ in again})
    described = {each.row.lot for each in judged if each.done and each.row.kind is Kind.VISION}
    settling.queue_translations(connection, described, base_tokens=translation_tokens(""))
    settled = {each.row.lot for each in judged if not isinstance(each.verdict, Again)}
    _settle_lots(connection, settled, judging.counts(judged))


def _settle_lots(
    connection: Connection, lots: Collection[int], changes: dict[UUID, Counter[str]]
) -> None:
    for lot in settling.settle_lots(connection, lots):
        counter = changes.setdefault(lot.job_id, Counter())
        counter["lots_settled"] += 1
        counter["lots_failed"] += lot.status is LotStatus.FAILED
        counter["lots_described"] += lot.described
    for job_id in sorted(changes):
        count_and_end(connection, job_id, changes[job_id])


def count_and_end(connection: Connection, job_id: UUID, changes: Counter[str]) -> None:
    """Add to a locked job's counters and move it on; a run that ends gets its deliveries."""
    jobs.count(connection, job_id, changes)
    begun, ended = jobs.advance(connection, [job_id])
    job_reports.begun(connection, begun)
    for job in ended:
        deliveries.enqueue(connection, [job.id])
        job_reports.ended(connection, job)

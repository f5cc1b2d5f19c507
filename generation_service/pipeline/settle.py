"""Settling: what became of requests, recorded with all that follows, in one transaction.

The last lot of a job, the end of its run and the insertion of its webhook deliveries stand or
fall together, so a crash can leave none of them without the others.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Connection, Engine

from generation_service.core.lanes import FALLBACK_AFTER_SECONDS
from generation_service.core.limits import BATCH_WINDOW_HOURS
from generation_service.core.prompts import translation_tokens
from generation_service.core.replies import Completion, Failure, Reply, Retry
from generation_service.core.status import Kind, LotStatus
from generation_service.core.token_estimates import Usage, credible
from generation_service.core.verdicts import Again, Done, GiveUp, How, Verdict, judge
from generation_service.db import (
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
from generation_service.db.outcomes import CompletedText, FailedText, Requeued
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


def record_answers(connection: Connection, batch: ClaimedBatch, answers: Sequence[Answer]) -> Usage:
    """Record answers to requests of `batch`; raises LeaseLostError when it was taken over.

    Of two answers to one request the first one counts. Returns what the requests that have a text
    now were estimated at and billed.
    """
    judged = _record_matching(connection, _holder(batch), answers)
    _count(connection, batch, judged)
    done = [(row, v.completion) for row, v in judged if isinstance(v, Done)]
    usages = (credible(row.estimated_tokens, answer.prompt_tokens) for row, answer in done)
    return sum(usages, Usage())


def record_calls(connection: Connection, token: UUID, answers: Sequence[Answer]) -> set[int]:
    """Record answers to direct calls made under `token`; return the requests that were still its.

    The others were given up meanwhile, and nothing about them changes.
    """
    return {row.id for row, _ in _record_matching(connection, _Holder(token), answers)}


def settle_rest(engine: Engine, batch: ClaimedBatch, failure: Failure) -> None:
    """Record `failure` for every request of `batch` that has no answer."""

    def settle_some(connection: Connection) -> bool:
        ids = descriptions.missing_ids(connection, batch.id, _ROWS)
        found = _locked(connection, _holder(batch), ids)
        judged = _record(connection, _holder(batch), [(row, failure) for row in found])
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


_Judged = Sequence[tuple[Submitted, Verdict]]


def _holder(batch: ClaimedBatch) -> _Holder:
    return _Holder(batch.id, batch.to_direct)


def _record_matching(connection: Connection, holder: _Holder, answers: Sequence[Answer]) -> _Judged:
    replies = {(a.description, a.attempt): a.reply for a in reversed(answers)}
    found = _locked(connection, holder, {answer.description for answer in answers})
    return _record(
        connection,
        holder,
        [(row, replies[row.id, row.attempt]) for row in found if (row.id, row.attempt) in replies],
    )


def _locked(connection: Connection, holder: _Holder, ids: Collection[int]) -> list[Submitted]:
    jobs.lock(connection, descriptions.jobs_of(connection, ids))
    return descriptions.submitted(connection, holder.id, ids, near=FALLBACK_AFTER_SECONDS)


def _record(
    connection: Connection, holder: _Holder, replied: Iterable[tuple[Submitted, Reply]]
) -> _Judged:
    judged = [(row, _verdict(row, reply, holder)) for row, reply in replied]
    _write(connection, holder, judged)
    _follow_up(connection, judged)
    return judged


def _count(connection: Connection, batch: ClaimedBatch, judged: _Judged) -> None:
    job_shares.count(
        connection,
        batch.id,
        Counter(row.job_id for row, verdict in judged if isinstance(verdict, Done)),
        Counter(row.job_id for row, verdict in judged if not isinstance(verdict, Done)),
        _tokens(verdict for _, verdict in judged),
    )
    openai_batches.hold(connection, batch)


def _verdict(row: Submitted, reply: Reply, holder: _Holder) -> Verdict:
    if isinstance(reply, Failure):
        if holder.to_direct and reply.code in _UNSTARTED:
            reply = replace(reply, retry=Retry.FREE)
        elif reply.retry is Retry.FREE and row.idle > _FREE_SECONDS:
            reply = replace(reply, retry=Retry.AGAIN)
    # A translation has no photos: a probe for it would never come, and it would wait for ever.
    reprobed = row.reprobed or row.kind is Kind.TRANSLATION
    return judge(reply, attempt=row.attempt, larger=row.larger, reprobed=reprobed)


def _write(connection: Connection, holder: _Holder, judged: _Judged) -> None:
    done = [_completed(row, v) for row, v in judged if isinstance(v, Done)]
    failed = [_failed(row, v.failure) for row, v in judged if isinstance(v, GiveUp)]
    again = [_requeued(row, v, holder) for row, v in judged if isinstance(v, Again)]
    if done:
        descriptions.complete(connection, holder.id, done)
    if failed:
        descriptions.fail(connection, holder.id, failed)
    if again:
        descriptions.requeue(connection, holder.id, again)


def _completed(row: Submitted, verdict: Done) -> CompletedText:
    completion = verdict.completion
    return CompletedText(
        id=row.id,
        damages=verdict.text,
        model=completion.model,
        generated_by="simulator" if completion.simulated else "openai",
        prompt_tokens=completion.prompt_tokens,
        cached_tokens=completion.cached_tokens,
        completion_tokens=completion.completion_tokens,
    )


def _failed(row: Submitted, failure: Failure) -> FailedText:
    return FailedText(
        id=row.id,
        code=failure.code,
        message=failure.message,
        prompt_tokens=failure.prompt_tokens,
        completion_tokens=failure.completion_tokens,
    )


def _requeued(row: Submitted, verdict: Again, holder: _Holder) -> Requeued:
    failure = verdict.failure
    return Requeued(
        id=row.id,
        code=failure.code,
        message=failure.message,
        prompt_tokens=failure.prompt_tokens,
        completion_tokens=failure.completion_tokens,
        delay=None if verdict.how is How.AFTER_PROBE else verdict.delay,
        larger=verdict.how is How.LARGER,
        free=verdict.free,
        direct=holder.to_direct and (row.near or failure.code == "openai_expired"),
    )


def _tokens(verdicts: Iterable[Verdict]) -> tuple[int, int]:
    used: list[Completion | Failure] = [
        verdict.completion if isinstance(verdict, Done) else verdict.failure for verdict in verdicts
    ]
    return sum(u.prompt_tokens for u in used), sum(u.completion_tokens for u in used)


def _follow_up(connection: Connection, judged: _Judged) -> None:
    again = [(row, v) for row, v in judged if isinstance(v, Again) and v.how is How.AFTER_PROBE]
    for row, verdict in again:
        if verdict.failure.image_url:
            probes.refute(connection, row.job_id, verdict.failure.image_url)
    settling.probe_again(connection, {row.lot for row, _ in again})
    described = {row.lot for row, v in judged if isinstance(v, Done) and row.kind is Kind.VISION}
    settling.queue_translations(connection, described, base_tokens=translation_tokens(""))
    settled = {row.lot for row, verdict in judged if not isinstance(verdict, Again)}
    _settle_lots(connection, settled, _counts(judged))


def _counts(judged: _Judged) -> dict[UUID, Counter[str]]:
    changes: dict[UUID, Counter[str]] = {}
    for row, verdict in judged:
        if not isinstance(verdict, Again):
            counter = changes.setdefault(row.job_id, Counter())
            ending = "completed" if isinstance(verdict, Done) else "failed"
            counter[f"{row.kind.value}_{ending}"] += 1
            if row.kind is Kind.VISION and isinstance(verdict, GiveUp):
                counter["translation_failed"] += row.translations
    return changes


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
    ended = jobs.advance(connection, [job_id])
    if ended:
        deliveries.enqueue(connection, ended)

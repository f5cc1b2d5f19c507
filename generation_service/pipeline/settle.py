"""Settling: what became of requests, recorded with all that follows, in one transaction.

The last lot of a job, the end of its run and the insertion of its webhook deliveries stand or
fall together, so a crash can leave none of them without the others.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Connection, Engine

from generation_service.core.limits import BATCH_WINDOW_HOURS
from generation_service.core.prompts import translation_tokens
from generation_service.core.replies import Completion, Failure, Reply, Retry
from generation_service.core.status import Kind, LotStatus
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
from generation_service.db.descriptions import CompletedText, FailedText, Requeued, Submitted
from generation_service.db.openai_batches import ClaimedBatch
from generation_service.pipeline.transactions import transaction

_ROWS = 500
_FREE_SECONDS = BATCH_WINDOW_HOURS * 3600
"""Attempts are free only while the job gets on: without this, a full queue could last for ever."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply to one request; `attempt` guards against a line of an attempt long given up."""

    description: int
    attempt: int
    reply: Reply


def record_answers(connection: Connection, batch: ClaimedBatch, answers: Sequence[Answer]) -> None:
    """Record answers to requests of `batch`; raises LeaseLostError when it was taken over.

    Of two answers to one request the first one counts.
    """
    replies = {(a.description, a.attempt): a.reply for a in reversed(answers)}
    found = _locked(connection, batch, {answer.description for answer in answers})
    _record(
        connection,
        batch,
        [(row, replies[row.id, row.attempt]) for row in found if (row.id, row.attempt) in replies],
    )


def settle_rest(engine: Engine, batch: ClaimedBatch, failure: Failure) -> None:
    """Record `failure` for every request of `batch` that has no answer."""

    def settle_some(connection: Connection) -> bool:
        ids = descriptions.missing_ids(connection, batch.id, _ROWS)
        found = _locked(connection, batch, ids)
        _record(connection, batch, [(row, failure) for row in found])
        return bool(ids)

    while transaction(engine, settle_some):
        pass


def _locked(connection: Connection, batch: ClaimedBatch, ids: Collection[int]) -> list[Submitted]:
    jobs.lock(connection, descriptions.jobs_of(connection, ids))
    return descriptions.submitted(connection, batch.id, ids)


def _record(
    connection: Connection, batch: ClaimedBatch, replied: Iterable[tuple[Submitted, Reply]]
) -> None:
    judged = [(row, _verdict(row, reply)) for row, reply in replied]
    _write(connection, batch.id, judged)
    _follow_up(connection, judged)
    job_shares.count(
        connection,
        batch.id,
        Counter(row.job_id for row, verdict in judged if isinstance(verdict, Done)),
        Counter(row.job_id for row, verdict in judged if not isinstance(verdict, Done)),
        _tokens(verdict for _, verdict in judged),
    )
    openai_batches.hold(connection, batch)


def _verdict(row: Submitted, reply: Reply) -> Verdict:
    if isinstance(reply, Failure) and reply.retry is Retry.FREE and row.idle > _FREE_SECONDS:
        reply = replace(reply, retry=Retry.AGAIN)
    # A translation has no photos: a probe for it would never come, and it would wait for ever.
    reprobed = row.reprobed or row.kind is Kind.TRANSLATION
    return judge(reply, attempt=row.attempt, larger=row.larger, reprobed=reprobed)


_Judged = Sequence[tuple[Submitted, Verdict]]


def _write(connection: Connection, batch_id: UUID, judged: _Judged) -> None:
    done = [_completed(row, v) for row, v in judged if isinstance(v, Done)]
    failed = [_failed(row, v.failure) for row, v in judged if isinstance(v, GiveUp)]
    again = [_requeued(row, v) for row, v in judged if isinstance(v, Again)]
    if done:
        descriptions.complete(connection, batch_id, done)
    if failed:
        descriptions.fail(connection, batch_id, failed)
    if again:
        descriptions.requeue(connection, batch_id, again)


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


def _requeued(row: Submitted, verdict: Again) -> Requeued:
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

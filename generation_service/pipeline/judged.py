"""Requests with their verdicts, and what these mean for rows, for counters and for the books."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from generation_service.core.charges import Account, Charge, Tally, Tariff, tally, total
from generation_service.core.replies import Failure, Reply
from generation_service.core.status import Kind
from generation_service.core.verdicts import Again, Done, GiveUp, How, Verdict
from generation_service.db.charges import Cancelled
from generation_service.db.descriptions import Submitted
from generation_service.db.outcomes import CompletedText, FailedText, Requeued


@dataclass(frozen=True, slots=True)
class Judged:
    row: Submitted
    verdict: Verdict
    charge: Charge

    @property
    def done(self) -> bool:
        return isinstance(self.verdict, Done)

    @property
    def reply(self) -> Reply:
        """What the verdict was about, an empty text as the failure that it is."""
        verdict = self.verdict
        return verdict.completion if isinstance(verdict, Done) else verdict.failure


@dataclass(frozen=True, slots=True)
class Late:
    """An answer to a request that was cancelled meanwhile: all that is kept of it is its bill."""

    row: Cancelled
    reply: Reply
    charge: Charge

    @property
    def done(self) -> bool:
        return False


def completed(judged: Iterable[Judged]) -> list[CompletedText]:
    return [
        CompletedText(
            id=each.row.id,
            damages=each.verdict.text,
            model=each.verdict.completion.model,
            generated_by="simulator" if each.reply.simulated else "openai",
            charge=each.charge,
        )
        for each in judged
        if isinstance(each.verdict, Done)
    ]


def failed(judged: Iterable[Judged]) -> list[FailedText]:
    return [
        FailedText(
            id=each.row.id,
            code=each.verdict.failure.code,
            message=each.verdict.failure.message,
            charge=each.charge,
        )
        for each in judged
        if isinstance(each.verdict, GiveUp)
    ]


def requeued(judged: Iterable[Judged], *, to_direct: bool) -> list[Requeued]:
    return [
        _requeued(each, each.verdict, to_direct=to_direct)
        for each in judged
        if isinstance(each.verdict, Again)
    ]


def _requeued(each: Judged, verdict: Again, *, to_direct: bool) -> Requeued:
    failure = verdict.failure
    return Requeued(
        id=each.row.id,
        code=failure.code,
        message=failure.message,
        charge=each.charge,
        delay=None if verdict.how is How.AFTER_PROBE else verdict.delay,
        larger=verdict.how is How.LARGER,
        free=verdict.free,
        direct=to_direct and (each.row.near or failure.code == "openai_expired"),
    )


def counts(judged: Iterable[Judged]) -> dict[UUID, Counter[str]]:
    """The job counters that change, by job."""
    changes: dict[UUID, Counter[str]] = {}
    for each in judged:
        row, verdict = each.row, each.verdict
        if not isinstance(verdict, Again):
            counter = changes.setdefault(row.job_id, Counter())
            ending = "completed" if isinstance(verdict, Done) else "failed"
            counter[f"{row.kind.value}_{ending}"] += 1
            if row.kind is Kind.VISION and isinstance(verdict, GiveUp):
                counter["translation_failed"] += row.translations
    return changes


def charges(billed: Iterable[Judged | Late]) -> dict[UUID, Charge]:
    """What was billed, by job."""
    by_job: defaultdict[UUID, list[Charge]] = defaultdict(list)
    for each in billed:
        if each.charge:
            by_job[each.row.job_id].append(each.charge)
    return {job_id: total(of_job) for job_id, of_job in by_job.items()}


def simulated(billed: Iterable[Judged | Late]) -> Counter[UUID]:
    """How many texts a stand-in for OpenAI wrote, by job."""
    return Counter(each.row.job_id for each in billed if each.done and each.reply.simulated)


def failures(judged: Iterable[Judged]) -> Counter[str]:
    """The codes of the answers that brought no text."""
    replies = (each.reply for each in judged)
    return Counter(reply.code for reply in replies if isinstance(reply, Failure))


def tallies(billed: Iterable[Judged | Late], tariff: Tariff) -> dict[Account, Tally]:
    answers: defaultdict[tuple[str, Kind, bool], list[tuple[Charge, bool]]] = defaultdict(list)
    for each in billed:
        account = each.row.client, each.row.kind, each.reply.simulated
        answers[account].append((each.charge, each.done))
    return {
        tariff.account(client, kind, simulated=simulated): tally(group)
        for (client, kind, simulated), group in answers.items()
    }

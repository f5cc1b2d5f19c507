"""Rounds of jobs and faults, all from one seed, and what came of them."""

import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from types import MappingProxyType
from typing import Any

from tests.faults import accounts, callers, invariants
from tests.faults.chaos import LOSSES, Chaos
from tests.faults.snapshot import Snapshot, take
from tests.faults.stack import Stack
from tests.faults.watch import Watch

_LAST_RETRIES = 5


@dataclass(frozen=True, kw_only=True)
class Plan:
    """With `direct`, jobs go by direct calls, as they do where there is no Batch API."""

    seed: int
    rounds: int
    direct: bool = False


@dataclass
class Report:
    """`faults` is what broke a promise; the rest is for whoever wants to know how hard it was."""

    plan: Plan
    faults: list[str] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    figures: dict[str, object] = field(default_factory=dict)

    @property
    def kills(self) -> int:
        return sum(times for event, times in self.events.items() if event.startswith("kill"))

    def __str__(self) -> str:
        numbers = {
            "rounds": self.plan.rounds,
            "kills": self.kills,
            **dict(sorted(self.events.items())),
            **self.figures,
        }
        lines = [f"{name.replace('_', ' ')}: {number}" for name, number in numbers.items()]
        return "\n".join([f"seed: {self.plan.seed}", *lines, *self.faults])


def run(stack: Stack, plan: Plan) -> Report:
    """Drive `stack` through the plan, then let everything end and check all that must hold."""
    report = Report(plan)
    chaos = Chaos(stack, random.Random(plan.seed), report.events)
    began = monotonic()
    with Watch(partial(take, stack.engine)) as watch:
        for _ in range(plan.rounds):
            chaos.round()
        _let_end(chaos)
    seen = take(stack.engine)
    ledger = stack.simulator.ledger()
    report.faults += [*watch.faults, *_wrong(chaos, seen, ledger)]
    report.figures |= _figures(chaos, seen, ledger)
    report.figures |= {"looks": watch.looks, "seconds": round(monotonic() - began, 1)}
    return report


def _let_end(chaos: Chaos) -> None:
    """No more faults: what waits goes on, what failed is retried, who was not answered asks."""
    stack = chaos.stack
    stack.behave()
    stack.expire()
    stack.wait_until_healthy()
    chaos.wait_for_answers()
    stack.expire()
    chaos.let_call()
    stack.wait_until_all_ended()
    for _ in range(_LAST_RETRIES):
        if not chaos.retry():
            break
        stack.wait_until_all_ended()
    chaos.let_call(all_of_them=True)
    chaos.wait_for_answers()


def in_the_end(
    stack: Stack,
    seen: Snapshot,
    lost: Collection[str] = (),
    forgotten: Collection[object] = (),
    asked_again: Mapping[int, int] = MappingProxyType({}),
) -> list[str]:
    """What is wrong once everything has ended: by database, logs, OpenAI's ledger and receiver.

    `lost` are custom_ids whose answer OpenAI itself gave up, `forgotten` ids of deleted rows,
    `asked_again` tells how often a description had failed and was retried by its client.
    """
    ledger = stack.simulator.ledger()
    return [
        *stack.surprises(),
        *invariants.all_described(seen),
        *(
            accounts.direct(seen, ledger, asked_again)
            if stack.direct
            else [
                *accounts.paid_twice(ledger, lost),
                *accounts.wasted(seen, ledger, forgotten),
            ]
        ),
        *accounts.strangers(seen, stack.openai_batches()),
        *accounts.webhooks(seen, list(stack.receiver.received), forgotten),
    ]


def _wrong(chaos: Chaos, seen: Snapshot, ledger: Sequence[Mapping[str, Any]]) -> list[str]:
    stack = chaos.stack
    repeated = accounts.duplicates(list(stack.receiver.received))
    return [
        *(f"job {job} was accepted and is gone" for job in _gone(chaos, seen)),
        *in_the_end(stack, seen, stack.lost(LOSSES), chaos.forgotten, chaos.asked_again),
        *(fault for job in chaos.accepted for fault in _results(chaos, job)),
        *callers.faults(chaos.callers, ledger),
        *(
            [f"{repeated} webhooks came again, though {_under_way(chaos)} were under way"]
            if repeated > _under_way(chaos)
            else []
        ),
    ]


def _under_way(chaos: Chaos) -> int:
    return chaos.in_flight + sum(chaos.stack.caught)


def _gone(chaos: Chaos, seen: Snapshot) -> set[str]:
    return chaos.accepted.keys() - chaos.deleted - {str(job["id"]) for job in seen.jobs}


def _results(chaos: Chaos, job: str) -> list[str]:
    """What a client finds wrong with the results of a job that was not cancelled."""
    if job in chaos.deleted:
        return []
    status, document = chaos.stack.client().results(job)
    if status == 200 and document["status"] == "cancelled":
        return []
    found = [
        [entry["language"] for entry in lot["descriptions"] if entry["damages"]]
        for lot in document.get("results", {}).get("lots", [])
    ]
    wrong = [languages for languages in found if languages != list(chaos.accepted[job])]
    return [f"results of {job} ({status}): {wrong or 'no lots'}"] if wrong or not found else []


def _figures(
    chaos: Chaos, seen: Snapshot, ledger: Sequence[Mapping[str, Any]]
) -> dict[str, object]:
    stack = chaos.stack
    lost = stack.lost(LOSSES)
    unfinished = [lot for lot in seen.lots if lot["status"] not in {"completed", "cancelled"}]
    return {
        "jobs": len(seen.jobs),
        "jobs_deleted": len(chaos.deleted),
        "runs": sum(job["run"] for job in seen.jobs),
        "lots": len(seen.lots),
        "lots_lost": len(unfinished),
        "descriptions": len(seen.descriptions),
        "openai_batches": len(seen.openai_batches),
        "lines_billed": sum(entry["kind"] == "batch" for entry in ledger),
        "lines_whose_answer_openai_lost_or_refused": len(lost),
        "lines_paid_twice": len(accounts.paid_twice(ledger, lost)),
        "failed_requests_retried": chaos.asked_again.total(),
        "direct_calls_billed": sum(entry["kind"] == "direct" for entry in ledger),
        "requests_for_one_lot": len(chaos.callers),
        "answers_lost_by_a_crash": sum(each.unknown - each.told for each in chaos.callers),
        "outcomes_told_to_be_unknown": sum(each.told for each in chaos.callers),
        "webhooks": len(seen.deliveries),
        "webhooks_repeated": accounts.duplicates(list(stack.receiver.received)),
        "webhooks_under_way_at_a_fault": _under_way(chaos),
    }

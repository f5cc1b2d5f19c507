"""Rounds of jobs and faults at random moments, all from one seed, and what came of them."""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPException
from threading import Event
from time import monotonic
from typing import Any

from tests.faults import accounts, invariants
from tests.faults.snapshot import Snapshot, take
from tests.faults.stack import Stack, workers
from tests.faults.watch import Watch

LONGEST_WAIT_SECONDS = 1.5
LANGUAGES = ("en", "ru", "de", "zh-Hant")
_SHARE_CANCELLED = 0.15
_SHARE_AT_ONCE = 0.6
"""Of the rounds whose fault comes in the very moment that OpenAI misbehaves."""

TROUBLES: Sequence[Mapping[str, Any]] = (
    {"on": "upload", "do": "reset_after"},
    {"on": "upload", "do": "slow", "seconds": 0.7},
    {"on": "upload", "do": "lose_file"},
    {"on": "create", "do": "reset_before"},
    {"on": "create", "do": "reset_after"},
    {"on": "create", "do": "slow", "seconds": 0.7},
    {"on": "create", "do": "slow", "seconds": 3.0},
    {"on": "list", "do": "status", "status": 503},
    {"on": "delete", "do": "slow", "seconds": 0.7},
    {"on": "retrieve", "do": "status", "status": 500},
    {"on": "content", "do": "cut_content", "fraction": 0.5},
    {"on": "content", "do": "slow", "seconds": 0.7},
    {"on": "batch", "do": "last", "seconds": 1.0},
    {"on": "batch", "do": "shuffle"},
)
"""What OpenAI does: nothing of it loses an answer for good, so no description may fail."""
_TROUBLES_A_ROUND = 3


@dataclass(frozen=True, kw_only=True)
class Plan:
    seed: int
    rounds: int


@dataclass
class Report:
    """`faults` is what broke a promise; the rest is for whoever wants to know how hard it was."""

    plan: Plan
    faults: list[str] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    figures: dict[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        numbers = {"rounds": self.plan.rounds, **dict(sorted(self.events.items())), **self.figures}
        lines = [f"{name.replace('_', ' ')}: {number}" for name, number in numbers.items()]
        return "\n".join([f"seed: {self.plan.seed}", *lines, *self.faults])


def run(stack: Stack, plan: Plan) -> Report:
    """Drive `stack` through the plan, then let everything end and check all that must hold."""
    chance = random.Random(plan.seed)
    chaos = _Chaos(stack, chance, Report(plan))
    began = monotonic()
    with Watch(partial(take, stack.engine)) as watch:
        for _ in range(plan.rounds):
            chaos.round()
        stack.expire()
        for service in stack.services:
            service.wait_until_healthy()
        stack.wait_until_all_ended()
    chaos.report.faults += watch.faults
    chaos.conclude(take(stack.engine))
    chaos.report.figures |= {"looks": watch.looks, "seconds": round(monotonic() - began, 1)}
    return chaos.report


def in_the_end(stack: Stack, seen: Snapshot) -> list[str]:
    """What is wrong once everything has ended: by database, logs, OpenAI's ledger and receiver."""
    ledger = stack.simulator.ledger()
    return [
        *stack.surprises(),
        *invariants.all_described(seen),
        *accounts.paid_twice(ledger),
        *accounts.wasted(seen, ledger),
        *accounts.strangers(seen, stack.openai_batches()),
        *accounts.webhooks(seen, list(stack.receiver.received)),
    ]


@dataclass
class _Chaos:
    stack: Stack
    chance: random.Random
    report: Report
    accepted: dict[str, Sequence[str]] = field(default_factory=dict)
    """Job id -> its languages, for every job that was answered with 201."""
    _pause: Event = field(default_factory=Event)

    def round(self) -> None:
        troubles = self.chance.sample(TROUBLES, _TROUBLES_A_ROUND)
        for trouble in troubles:
            self.stack.misbehave(**trouble)
        before = self.stack.firings()
        for _ in range(self.chance.randint(1, 3)):
            self._order()
        patience = monotonic() + self.chance.uniform(0, LONGEST_WAIT_SECONDS)
        at_once = self.chance.random() < _SHARE_AT_ONCE
        self._let_pass(patience, lambda: at_once and self.stack.firings() != before)
        if self.accepted and self.chance.random() < _SHARE_CANCELLED:
            self._cancel()
        possible = [name for name in FAULTS if self.stack.data_dir or name != "kill_database"]
        self._happen(self.chance.choice(possible))

    def _order(self) -> None:
        service = self.chance.randrange(len(self.stack.services))
        languages = self.chance.sample(LANGUAGES, self.chance.randint(1, 3))
        lots = self.stack.lots(self.chance.randint(2, 6))
        self.stack.services[service].wait_until_healthy()
        try:
            job = self.stack.client(service).job(lots, languages)
        except (OSError, HTTPException):  # a worker died; the database knows if it had accepted
            self._happened("answers_lost")
        else:
            self.accepted[job] = languages

    def _cancel(self) -> None:
        """Cancel the newest job, if it has not ended yet."""
        try:
            status, _ = self.stack.client().cancel(list(self.accepted)[-1])
        except (OSError, HTTPException):
            self._happened("answers_lost")
        else:
            self._happened("cancelled" if status == 200 else "too_late_to_cancel")

    def _let_pass(self, until: float, early: Callable[[], bool]) -> None:
        """The moment of a fault is left to chance: there is no state to wait for."""
        while monotonic() < until and not early():
            self._pause.wait(0.02)

    def _happen(self, fault: str) -> None:
        self._happened(fault)
        FAULTS[fault](self)

    def _happened(self, event: str) -> None:
        self.report.events[event] += 1

    def kill_service(self) -> None:
        """A power cut; sometimes another one while it starts again."""
        service = self.chance.choice(self.stack.services)
        service.again()
        if self.chance.random() < 1 / 4:
            self._let_pass(monotonic() + self.chance.uniform(0, LONGEST_WAIT_SECONDS), bool)
            self._happened("killed_at_start")
            service.again()
        if len(self.stack.services) == 1:
            self.stack.expire()

    def kill_worker(self) -> None:
        """Gunicorn starts another."""
        for worker in self._a_worker():
            os.kill(worker, signal.SIGKILL)

    def pause_worker(self) -> None:
        """For longer than its leases: it goes on where it was, and others have taken over."""
        for worker in self._a_worker():
            os.kill(worker, signal.SIGSTOP)
            self.stack.expire()
            self._let_pass(monotonic() + self.chance.uniform(0, LONGEST_WAIT_SECONDS), bool)
            os.kill(worker, signal.SIGCONT)

    def _a_worker(self) -> list[int]:
        """One worker of any service; none while Gunicorn is starting them."""
        found = workers(self.chance.choice(self.stack.services))
        return self.chance.sample(found, min(1, len(found)))

    def expire(self) -> None:
        """Owners lose their leases while they work."""
        self.stack.expire()

    def kill_database(self) -> None:
        self.stack.kill_database()

    def conclude(self, seen: Snapshot) -> None:
        self.report.faults += [
            *(f"job {job} was accepted and is gone" for job in self._gone(seen)),
            *in_the_end(self.stack, seen),
            *(fault for job in self.accepted for fault in self._results(job)),
        ]
        ledger = self.stack.simulator.ledger()
        self.report.figures |= {
            "jobs": len(seen.jobs),
            "lots": len(seen.lots),
            "descriptions": len(seen.descriptions),
            "openai_batches": len(seen.openai_batches),
            "lines_billed": len(ledger),
            "descriptions_paid_twice": len(accounts.paid_twice(ledger)),
            "texts_lost": len(invariants.all_described(seen)),
            "webhooks": len(seen.deliveries),
            "webhooks_repeated": accounts.duplicates(list(self.stack.receiver.received)),
        }

    def _gone(self, seen: Snapshot) -> set[str]:
        return self.accepted.keys() - {str(job["id"]) for job in seen.jobs}

    def _results(self, job: str) -> list[str]:
        """What a client finds wrong with the results of a job that was not cancelled."""
        status, document = self.stack.client().results(job)
        if status == 200 and document["status"] == "cancelled":
            return []
        found = [
            [entry["language"] for entry in lot["descriptions"] if entry["damages"]]
            for lot in document.get("results", {}).get("lots", [])
        ]
        wrong = [languages for languages in found if languages != self.accepted[job]]
        return [f"results of {job} ({status}): {wrong or 'no lots'}"] if wrong or not found else []


FAULTS: Mapping[str, Callable[[_Chaos], None]] = {
    "kill_service": _Chaos.kill_service,
    "kill_worker": _Chaos.kill_worker,
    "pause_worker": _Chaos.pause_worker,
    "kill_database": _Chaos.kill_database,
    "expire_leases": _Chaos.expire,
}

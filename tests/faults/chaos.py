"""What happens in a round: orders, misbehaviour of OpenAI, and something that breaks."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException
from time import monotonic
from typing import Any

from tests.acceptance.client import lot
from tests.faults.breaking import (
    AT_RANDOM,
    FAULTS,
    LONGEST_WAIT_SECONDS,
    VICTIMS,
    Breaking,
    let_pass,
)
from tests.faults.callers import Caller
from tests.faults.points import DIRECT_MOMENTS, MOMENTS
from tests.faults.stack import Stack
from tests.faults.takeovers import PAUSES

LANGUAGES = ("en", "ru", "de", "zh-Hant")
_SHARE_NAMED = 0.35
"""Of the rounds: those whose fault comes at a named moment, all others at one of chance."""
_SHARE_CANCELLED = 0.15
_SHARE_DELETED = 0.1
_SHARE_RETRIED = 0.3
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
    {"on": "batch", "do": "expire", "fraction": 0.5},
    {"on": "line", "do": "status", "status": 429},
    {"on": "line", "do": "missing"},
    {"on": "line", "do": "refuse"},
    {"on": "chat", "do": "slow", "seconds": 0.7},
    {"on": "chat", "do": "reset_after"},
    {"on": "chat", "do": "status", "status": 500},
)
"""What OpenAI does. Of a refusal a job needs a retry; nothing else keeps a text from coming."""
_TROUBLES_A_ROUND = 4
DIRECT_TROUBLES: Sequence[Mapping[str, Any]] = (
    {"on": "chat", "do": "slow", "seconds": 0.7},
    {"on": "chat", "do": "reset_before"},
    {"on": "chat", "do": "reset_after"},
    {"on": "chat", "do": "status", "status": 500},
    {"on": "chat", "do": "status", "status": 429, "retry_after": 0.1},
    {"on": "chat", "do": "refuse"},
)
LOSSES = frozenset({"missing", "refuse"})
"""Misbehaviour that bills a line without giving its text: OpenAI's own doing."""


@dataclass
class Chaos:
    """`accepted`: job id -> its languages, for every job that was answered with 201."""

    stack: Stack
    chance: random.Random
    events: Counter[str]
    accepted: dict[str, Sequence[str]] = field(default_factory=dict)
    callers: list[Caller] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)
    forgotten: set[object] = field(default_factory=set)
    """Ids of descriptions and deliveries that were deleted with their jobs."""
    asked_again: Counter[int] = field(default_factory=Counter)
    """How often a failed description was part of a retry: each time OpenAI may bill it anew."""
    in_flight: int = 0
    """Deliveries that were under way when something broke: like those that the stack caught, each
    may come once more."""
    _calls: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8))
    _asked: list["Future[None]"] = field(default_factory=list)

    def round(self) -> None:
        if self.chance.random() < _SHARE_NAMED:
            self._named()
        else:
            self._random()
        self.in_flight += self.stack.sending()

    def _random(self) -> None:
        troubles = DIRECT_TROUBLES if self.stack.direct else TROUBLES
        for trouble in self.chance.sample(troubles, _TROUBLES_A_ROUND):
            self.stack.misbehave(**trouble)
        before = self.stack.firings()
        for _ in range(self.chance.randint(1, 3)):
            lots = self.chance.randint(2, 6)
            self._order(lots, self.chance.sample(LANGUAGES, self.chance.randint(1, 3)))
        self._call()
        patience = monotonic() + self.chance.uniform(0, LONGEST_WAIT_SECONDS)
        at_once = self.chance.random() < _SHARE_AT_ONCE
        let_pass(patience, lambda: at_once and self.stack.firings() != before)
        self._clients_change_their_minds()
        possible = [name for name in AT_RANDOM if self._is_possible(name)]
        self._happen(self.chance.choice(possible))

    def _is_possible(self, fault: str) -> bool:
        if fault == "kill_database":
            return self.stack.data_dir is not None
        return fault != "pause_service" or len(self.stack.services) > 1

    def _named(self) -> None:
        """Break something at a named moment, with nothing else going on until then.

        What an earlier round has left might meet the misbehaviour that brings the moment about.
        """
        self.stack.behave()
        self.stack.wait_until_healthy()
        self.stack.wait_until_all_ended()
        direct = self.stack.direct
        name = self.chance.choice([*DIRECT_MOMENTS] if direct else [*MOMENTS, *PAUSES])
        self.events[f"at_the_moment_{name.replace(' ', '_')}"] += 1
        if name in PAUSES:
            PAUSES[name](self.stack, self._must_order)
            return
        victims = [victim for victim in VICTIMS if self._is_possible(victim)]
        victim = self.chance.choice(victims)
        with {**MOMENTS, **DIRECT_MOMENTS}[name](self.stack, self._must_order):
            self._happen(victim)
        if victim == "kill_services":
            self.stack.power_cut()

    def _must_order(self, lots: int, languages: Sequence[str], /, **more: object) -> str:
        job = self.stack.client().job(self.stack.lots(lots, **more), languages)
        self.accepted[job] = languages
        return job

    def _order(self, lots: int, languages: Sequence[str]) -> None:
        number = self._a_healthy_one()
        try:
            job = self.stack.client(number).job(self.stack.lots(lots), languages)
        except (OSError, HTTPException, AssertionError):
            # A worker died, or the database did; it knows whether the job was accepted.
            self.events["answers_lost"] += 1
        else:
            self.accepted[job] = languages

    def _a_healthy_one(self) -> int:
        """A service by chance, or the next one while that one starts."""
        first, count = self.chance.randrange(len(self.stack.services)), len(self.stack.services)
        turns = [(first + turn) % count for turn in range(count)]
        for number in turns:
            if self.stack.services[number].is_healthy():
                return number
        self.stack.services[first].wait_until_healthy()
        return first

    def _call(self) -> None:
        """A new client asks for one lot, and those without an answer ask again."""
        number = len(self.callers)
        one = lot("one", self.stack.photos.url(f"/1.jpg?caller-{number}"))
        languages = self.chance.sample(("en", "ru"), self.chance.randint(1, 2))
        self.callers.append(Caller(f"caller-{number}", one, languages))
        self.let_call()

    def let_call(self, *, all_of_them: bool = False) -> None:
        """Send what was not answered again; `all_of_them`: also what was, which costs nothing."""
        self.wait_for_answers()
        for caller in self.callers:
            if all_of_them or caller.answer is None:
                client = self.stack.client(self._a_healthy_one())
                self._asked.append(self._calls.submit(caller.ask, client))

    def wait_for_answers(self) -> None:
        for asked in self._asked:
            asked.result(timeout=120)
        self._asked.clear()

    def _clients_change_their_minds(self) -> None:
        if self.accepted and self.chance.random() < _SHARE_CANCELLED:
            self._tell("cancel", list(self.accepted)[-1])
        ended = [str(row["id"]) for row in self.stack.rows(_WELL)]
        if ended and self.chance.random() < _SHARE_DELETED:
            self._delete(self.chance.choice(ended))
        if self.chance.random() < _SHARE_RETRIED:
            self.retry()

    def retry(self) -> bool:
        """Ask for a new run of every job that could do with one; False when there was none."""
        failed = [str(row["id"]) for row in self.stack.rows(_BADLY)]
        for job in failed:
            self.asked_again.update(row["id"] for row in self.stack.rows(_FAILED, job=job))
            self._tell("retry", job)
        return bool(failed)

    def _delete(self, job: str) -> None:
        for statement in _OF_JOB:
            self.forgotten |= {row["id"] for row in self.stack.rows(statement, job=job)}
        self.deleted.add(job)  # even if the answer is lost: then nobody knows
        self._tell("delete", job)

    def _tell(self, what: str, job: str) -> None:
        """Cancel, retry or delete a job."""
        try:
            status, _ = getattr(self.stack.client(self._a_healthy_one()), what)(job)
        except (OSError, HTTPException):
            self.events["answers_lost"] += 1
        else:
            self.events[f"{what}_answered_{status}"] += 1

    def _happen(self, fault: str) -> None:
        self.events[fault] += 1
        FAULTS[fault](Breaking(self.stack, self.chance))


_WELL = "SELECT id FROM batch_jobs WHERE status IN ('completed', 'cancelled') AND lots_failed = 0"
_BADLY = "SELECT id FROM batch_jobs WHERE status IN ('completed', 'failed') AND lots_failed > 0"
_FAILED = "SELECT id FROM descriptions WHERE status = 'failed' AND job_id = :job"
_OF_JOB = (
    "SELECT id FROM descriptions WHERE job_id = :job",
    "SELECT id FROM webhook_deliveries WHERE batch_job_id = :job",
)

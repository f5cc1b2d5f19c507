"""The names that one thread's transfers wait for, each with a deadline of its own."""

import heapq
from collections.abc import Callable
from itertools import count
from typing import Generic, TypeVar

from generation_service.clients.mailbox import Mailbox
from generation_service.clients.resolver import Question, Resolution, Resolver

V = TypeVar("V")


class Lookups(Generic[V]):
    """`ask`, sleep on `mailbox` for at most `patience` seconds, then `take_answered`.

    Deadlines are by `clock`: one that stands still meanwhile makes nobody give up.
    """

    def __init__(self, resolver: Resolver, clock: Callable[[], float]) -> None:
        self.mailbox: Mailbox[tuple[Question, Resolution]] = Mailbox()
        self._resolver = resolver
        self._clock = clock
        self._waiting: dict[Question, dict[int, V]] = {}
        self._deadlines: list[tuple[float, int, Question]] = []
        self._tickets = count()

    def ask(self, question: Question, value: V, seconds: float) -> Resolution | None:
        """The resolution if it is known; else it comes with `value` within so many seconds."""
        known = self._resolver.cached(question)
        if known:
            return known
        ticket = next(self._tickets)
        heapq.heappush(self._deadlines, (self._clock() + seconds, ticket, question))
        if question in self._waiting:
            self._waiting[question][ticket] = value
        else:
            self._waiting[question] = {ticket: value}
            self._resolver.resolve(question, self.mailbox.put)
        return None

    def patience(self) -> float:
        """Seconds until somebody's look-up is given up."""
        if not self._deadlines:
            return float("inf")
        return max(0.0, self._deadlines[0][0] - self._clock())

    def take_answered(self) -> list[tuple[V, Resolution]]:
        """Whoever need not wait any longer, because the answer came or because time is up."""
        answered = [
            (value, resolution)
            for question, resolution in self.mailbox.take_all()
            for value in self._waiting.pop(question).values()
        ]
        return answered + self._given_up()

    def _given_up(self) -> list[tuple[V, Resolution]]:
        given_up = []
        while self._deadlines and self._deadlines[0][0] <= self._clock():
            _deadline, ticket, question = heapq.heappop(self._deadlines)
            value = self._waiting.get(question, {}).pop(ticket, None)
            if value is not None:
                error = f"The name {question.name} was not resolved in time."
                given_up.append((value, Resolution((), error, given_up=True)))
        return given_up

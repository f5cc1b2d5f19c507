"""A queue in which one busy key never holds up the others."""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
D = TypeVar("D")


class FairQueue(Generic[K, V]):
    """First in, first out for each key; the keys take turns.

    A key whose turn is declined rests, at no cost to the others, until it is woken.
    """

    def __init__(self) -> None:
        self._waiting: dict[K, deque[V]] = {}
        self._turns: deque[K] = deque()
        self._resting: set[K] = set()

    def push(self, key: K, value: V) -> None:
        values = self._waiting.get(key)
        if values is None:
            self._waiting[key] = values = deque()
            self._turns.append(key)
        values.append(value)

    def pop(self, decide: Callable[[K], D]) -> tuple[V, D] | None:
        """The next value with what `decide` said of its key; a false decision declines."""
        while self._turns:
            key = self._turns.popleft()
            decision = decide(key)
            if decision:
                return self._next_of(key), decision
            self._resting.add(key)
        return None

    def wake(self, key: K) -> None:
        if key in self._resting:
            self._resting.remove(key)
            self._turns.append(key)

    def wake_all(self) -> None:
        self._turns.extend(self._resting)
        self._resting.clear()

    def resting(self) -> list[K]:
        """The keys that were declined and not woken since."""
        return list(self._resting)

    def withdraw(self, key: K) -> list[V]:
        """Take out all that waits for a resting key."""
        self._resting.remove(key)
        return list(self._waiting.pop(key))

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def _next_of(self, key: K) -> V:
        values = self._waiting[key]
        value = values.popleft()
        if values:
            self._turns.append(key)
        else:
            del self._waiting[key]
        return value

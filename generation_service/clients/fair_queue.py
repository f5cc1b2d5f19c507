"""Queues in which one busy key never holds up the others, nor one asker with many keys."""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

A = TypeVar("A", bound=Hashable)
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
        """Take out all that waits for a key, if it is resting."""
        if key not in self._resting:
            return []
        self._resting.remove(key)
        return list(self._waiting.pop(key))

    @property
    def is_ready(self) -> bool:
        """Whether it is somebody's turn."""
        return bool(self._turns)

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


class FairQueues(Generic[A, K, V]):
    """A FairQueue for each asker; the askers take turns first, however many keys one has.

    Keys are common to all: who is woken with a key goes first if served longer ago. That takes a
    step for each asker who waits, of whom there are few, and none for each key.
    """

    def __init__(self) -> None:
        self._queues: dict[A, FairQueue[K, V]] = {}  # who was served last comes last
        self._turns: deque[A] = deque()  # those whose queue is ready, each once

    def push(self, asker: A, key: K, value: V) -> None:
        queue = self._queues.get(asker)
        if queue is None:
            self._queues[asker] = queue = FairQueue()
        was_ready = queue.is_ready
        queue.push(key, value)
        self._awake(asker, queue, was_ready=was_ready)

    def pop(self, decide: Callable[[K], D]) -> tuple[V, D] | None:
        """As FairQueue's: an asker all of whose keys are declined rests with them."""
        while self._turns:
            asker = self._turns.popleft()
            popped = self._queues[asker].pop(decide)
            if popped is not None:
                self._served(asker)
                return popped
        return None

    def wake(self, key: K) -> None:
        for asker, queue in self._queues.items():
            was_ready = queue.is_ready
            queue.wake(key)
            self._awake(asker, queue, was_ready=was_ready)

    def wake_all(self) -> None:
        for asker, queue in self._queues.items():
            was_ready = queue.is_ready
            queue.wake_all()
            self._awake(asker, queue, was_ready=was_ready)

    def resting(self) -> list[K]:
        """The keys that were declined, to anybody, and not woken since."""
        return list({key: None for queue in self._queues.values() for key in queue.resting()})

    def withdraw(self, key: K) -> list[V]:
        """Take out all that waits for a key wherever it is resting."""
        values = [value for queue in self._queues.values() for value in queue.withdraw(key)]
        self._queues = {asker: queue for asker, queue in self._queues.items() if queue}
        return values

    def __bool__(self) -> bool:
        return bool(self._queues)

    def _served(self, asker: A) -> None:
        queue = self._queues.pop(asker)
        if queue:
            self._queues[asker] = queue
        if queue.is_ready:
            self._turns.append(asker)

    def _awake(self, asker: A, queue: FairQueue[K, V], *, was_ready: bool) -> None:
        if queue.is_ready and not was_ready:
            self._turns.append(asker)

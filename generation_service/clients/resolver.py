"""Names become addresses outside curl, in a bounded pool of threads.

getaddrinfo can neither be timed out nor cancelled, so the pool is built for being stuck: every
name is asked for once however many wait for it, names of one site (which share name servers)
hold a few threads at most and those of one asker a quarter of them, and who waits does so with
a deadline of its own. A name that was found lately never waits at all.
"""

import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Final, NamedTuple, TypeVar

from generation_service.clients.fair_queue import FairQueue

MAX_THREADS: Final = 64
MAX_PER_SITE: Final = 4
ASKERS_PART: Final = 4  # of the threads: what the names of one asker may hold
TTL_SECONDS: Final = 30.0
STALE_SECONDS: Final = 600.0
FAILED_TTL_SECONDS: Final = 5.0
MAX_CACHED_NAMES: Final = 10_000
_SECOND_LEVEL_CHARS: Final = 3  # co.uk, com.br: the site is one label further down


@dataclass(frozen=True, slots=True)
class Resolution:
    """The addresses of a name, or in `error` why there are none.

    `given_up`: nobody knows yet. It may be our own threads that are stuck.
    """

    addresses: tuple[str, ...]
    error: str | None = None
    given_up: bool = False


class Question(NamedTuple):
    """A name, and on whose behalf it is looked up: a client, or None for nobody's in particular."""

    name: str
    asker: str | None = None


Lookup = Callable[[str], Sequence[str]]
Listener = Callable[[tuple[Question, Resolution]], object]


def system_lookup(name: str) -> Sequence[str]:
    """Addresses by the system's rules (hosts file, DNS); raises OSError."""
    found = socket.getaddrinfo(
        name.encode(), None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
    return [str(entry[4][0]) for entry in found]


def site_of(name: str) -> str:
    """The part of a name that one owner's name servers answer for, by rule of thumb."""
    labels = name.split(".")
    short = len(labels) > 1 and len(labels[-2]) <= _SECOND_LEVEL_CHARS
    return ".".join(labels[-3:] if short else labels[-2:])


_Turn = tuple[str, str | None]
_Key = TypeVar("_Key")


def _count_down(counter: Counter[_Key], key: _Key) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]


class Resolver:
    """A cache in front of a pool of daemon threads that start on demand and end when idle.

    Safe to share between threads, and meant to be shared by a process. `lookup` raises OSError
    for a name without addresses; `clock` is in seconds and monotonic.
    """

    def __init__(
        self,
        lookup: Lookup = system_lookup,
        *,
        threads: int = MAX_THREADS,
        per_site: int = MAX_PER_SITE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lookup = lookup
        self._threads = threads
        self._per_site = per_site
        self._per_asker = max(1, threads // ASKERS_PART)
        self._clock = clock
        self._lock = Lock()
        self._running = 0
        self._busy_sites: Counter[str] = Counter()
        self._busy_askers: Counter[str | None] = Counter()
        self._queue: FairQueue[_Turn, Question] = FairQueue()
        self._listeners: dict[Question, list[Listener]] = {}
        self._cache: dict[str, tuple[float, Resolution]] = {}

    def cached(self, question: Question) -> Resolution | None:
        """What was found in the last 30 s, or the failure of the last 5 s.

        Addresses that are older, up to 10 min, are given too, and looked up anew meanwhile: a
        name server that has become slow delays nobody who was known before (as in RFC 8767).
        """
        with self._lock:
            expires, resolution = self._cache.get(question.name, (float("-inf"), None))
            age = self._clock() - expires
        if age < 0:
            return resolution
        if resolution is None or resolution.error or age >= STALE_SECONDS:
            return None
        self.resolve(question, lambda _letter: None)
        return resolution

    def resolve(self, question: Question, listener: Listener) -> None:
        """Look a name up; `listener` gets (question, resolution) in a thread of the pool."""
        with self._lock:
            if question in self._listeners:
                self._listeners[question].append(listener)
                return
            self._listeners[question] = [listener]
            self._queue.push((site_of(question.name), question.asker), question)
            self._add_thread()

    def _add_thread(self) -> None:
        if self._running < self._threads:
            Thread(target=self._work, name="resolver", daemon=True).start()
            self._running += 1

    def _work(self) -> None:
        while (question := self._next()) is not None:
            letter = (question, self._look_up(question.name))
            for listener in self._settle(*letter):
                listener(letter)

    def _next(self) -> Question | None:
        with self._lock:
            popped = self._queue.pop(self._may_go)
            if popped is None:
                self._running -= 1
                return None
            question = popped[0]
            self._busy_sites[site_of(question.name)] += 1
            self._busy_askers[question.asker] += 1
            return question

    def _may_go(self, turn: _Turn) -> bool:
        site, asker = turn
        is_asker_free = asker is None or self._busy_askers[asker] < self._per_asker
        return is_asker_free and self._busy_sites[site] < self._per_site

    def _look_up(self, name: str) -> Resolution:
        try:
            addresses = tuple(dict.fromkeys(self._lookup(name)))
        except OSError as error:
            return Resolution((), f"The name {name} was not resolved: {error.strerror or error}.")
        if not addresses:
            return Resolution((), f"The name {name} has no address.")
        return Resolution(addresses)

    def _settle(self, question: Question, resolution: Resolution) -> list[Listener]:
        with self._lock:
            self._remember(question.name, resolution)
            _count_down(self._busy_sites, site_of(question.name))
            _count_down(self._busy_askers, question.asker)
            self._queue.wake_all()
            if self._queue:
                self._add_thread()  # two may go now: one for the site, one for the asker
            return self._listeners.pop(question)

    def _remember(self, name: str, resolution: Resolution) -> None:
        ttl = FAILED_TTL_SECONDS if resolution.error else TTL_SECONDS
        self._cache.pop(name, None)
        self._cache[name] = (self._clock() + ttl, resolution)
        if len(self._cache) > MAX_CACHED_NAMES:
            del self._cache[next(iter(self._cache))]

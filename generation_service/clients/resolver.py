"""Names become addresses outside curl, in a bounded pool of threads.

getaddrinfo can neither be timed out nor cancelled, so the pool is built for being stuck: every
name is asked for once however many wait for it, names of one site (which share name servers)
hold a few threads at most, and who waits does so with a deadline of its own.
"""

import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Final

from generation_service.clients.fair_queue import FairQueue

MAX_THREADS: Final = 32
MAX_PER_SITE: Final = 4
TTL_SECONDS: Final = 30.0
FAILED_TTL_SECONDS: Final = 5.0
MAX_CACHED_NAMES: Final = 10_000
_SECOND_LEVEL_CHARS: Final = 3  # co.uk, com.br: the site is one label further down


@dataclass(frozen=True, slots=True)
class Resolution:
    """The addresses of a name, or in `error` why there are none."""

    addresses: tuple[str, ...]
    error: str | None = None


Lookup = Callable[[str], Sequence[str]]
Listener = Callable[[tuple[str, Resolution]], object]


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
        self._clock = clock
        self._lock = Lock()
        self._running = 0
        self._busy: Counter[str] = Counter()
        self._queue: FairQueue[str, str] = FairQueue()
        self._listeners: dict[str, list[Listener]] = {}
        self._cache: dict[str, tuple[float, Resolution]] = {}

    def cached(self, name: str) -> Resolution | None:
        """What was found in the last 30 s, or the failure of the last 5 s."""
        with self._lock:
            expires, resolution = self._cache.get(name, (0.0, None))
            return resolution if self._clock() < expires else None

    def resolve(self, name: str, listener: Listener) -> None:
        """Look `name` up; `listener` gets (name, resolution) in a thread of the pool."""
        with self._lock:
            if name in self._listeners:
                self._listeners[name].append(listener)
                return
            self._listeners[name] = [listener]
            self._queue.push(site_of(name), name)
            if self._running < self._threads:
                Thread(target=self._work, name="resolver", daemon=True).start()
                self._running += 1

    def _work(self) -> None:
        while (name := self._next_name()) is not None:
            letter = (name, self._look_up(name))
            for listener in self._settle(*letter):
                listener(letter)

    def _next_name(self) -> str | None:
        with self._lock:
            popped = self._queue.pop(lambda site: self._busy[site] < self._per_site)
            if popped is None:
                self._running -= 1
                return None
            self._busy[site_of(popped[0])] += 1
            return popped[0]

    def _look_up(self, name: str) -> Resolution:
        try:
            addresses = tuple(dict.fromkeys(self._lookup(name)))
        except OSError as error:
            return Resolution((), f"The name {name} was not resolved: {error.strerror or error}.")
        if not addresses:
            return Resolution((), f"The name {name} has no address.")
        return Resolution(addresses)

    def _settle(self, name: str, resolution: Resolution) -> list[Listener]:
        with self._lock:
            self._remember(name, resolution)
            site = site_of(name)
            self._busy[site] -= 1
            if not self._busy[site]:
                del self._busy[site]
            self._queue.wake(site)
            return self._listeners.pop(name)

    def _remember(self, name: str, resolution: Resolution) -> None:
        ttl = FAILED_TTL_SECONDS if resolution.error else TTL_SECONDS
        self._cache.pop(name, None)
        self._cache[name] = (self._clock() + ttl, resolution)
        if len(self._cache) > MAX_CACHED_NAMES:
            del self._cache[next(iter(self._cache))]

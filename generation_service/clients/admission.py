"""Who may start now: caps for a process, fair shares of them, and parked hosts."""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from threading import Lock
from typing import Final

from generation_service.core.limits import PARK_AFTER_FAILED_CONNECTS, PARK_SECONDS

Host = tuple[str, int]
SHUT_SECONDS: Final = 600.0
MAX_WATCHED_HOSTS: Final = 10_000


class Admission(Enum):
    """False in a condition when the request has to wait."""

    NOW = "now"
    LATER = "later"
    NEVER = "never"

    def __bool__(self) -> bool:
        return self is not Admission.LATER


@dataclass(slots=True)
class _Watched:
    failures: int = 0
    parkings: int = 0
    until: float = 0.0


class Parking:
    """Spares dead hosts and us: 50 failed connects in a row park a host (docs/api.md §4).

    A parked host waits 60 s; parked a second time it is given up for ten minutes, after which
    it may show that it is back. One connect that succeeds clears its record. Not thread-safe:
    Slots holds its lock around every call.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._hosts: OrderedDict[Host, _Watched] = OrderedDict()

    def admission(self, host: Host) -> Admission:
        watched = self._hosts.get(host)
        if watched is None or self._clock() >= watched.until:
            return Admission.NOW
        return Admission.LATER if watched.parkings == 1 else Admission.NEVER

    def record(self, host: Host, *, connected: bool) -> None:
        if connected:
            self._hosts.pop(host, None)
            return
        watched = self._watch(host)
        if self._clock() < watched.until:
            return  # one of those that were under way when the host was parked
        watched.failures += 1
        if watched.failures >= PARK_AFTER_FAILED_CONNECTS:
            self._park(watched)

    def _watch(self, host: Host) -> _Watched:
        watched = self._hosts.setdefault(host, _Watched())
        self._hosts.move_to_end(host)
        if len(self._hosts) > MAX_WATCHED_HOSTS:
            self._hosts.popitem(last=False)
        return watched

    def _park(self, watched: _Watched) -> None:
        is_second = watched.parkings == 1
        watched.failures = 0
        watched.parkings = 2 if is_second else 1
        watched.until = self._clock() + (SHUT_SECONDS if is_second else PARK_SECONDS)


class Slots:
    """Caps on requests in flight, in all and per host:port, shared by several threads.

    Each thread joins with a Share of its own. While several are joined, none takes more than
    its fair part, so a long run doesn't starve a short one that begins later.
    """

    def __init__(self, total: int, per_host: int, parking: Parking | None = None) -> None:
        self.total = total
        self.per_host = per_host
        self.parking = parking
        self.lock = Lock()
        self.taken = 0
        self.taken_of: Counter[Host] = Counter()
        self.shares = 0

    def join(self, *, patient: bool = True) -> "Share":
        """A share; an impatient one is told NEVER instead of waiting for a parked host."""
        with self.lock:
            self.shares += 1
        return Share(self, patient=patient)


class Share:
    """One thread's part of the slots; `leave` gives back whatever it still holds."""

    def __init__(self, slots: Slots, *, patient: bool) -> None:
        self._slots = slots
        self._patient = patient
        self._taken = 0
        self._taken_of: Counter[Host] = Counter()

    def is_full(self) -> bool:
        with self._slots.lock:
            return self._is_full()

    def take(self, host: Host) -> Admission:
        """NOW took a slot, which `give` must return; LATER and NEVER took none."""
        with self._slots.lock:
            admission = self._parked(host)
            if admission is not Admission.NOW:
                return admission
            if self._is_full() or self._is_host_full(host):
                return Admission.LATER
            self._count(host, 1)
            return Admission.NOW

    def is_parked(self, host: Host) -> bool:
        parking = self._slots.parking
        with self._slots.lock:
            return parking is not None and parking.admission(host) is not Admission.NOW

    def give(self, host: Host, *, connected: bool | None) -> None:
        """Return a slot; `connected` tells whether the host was reached, None: not tried."""
        with self._slots.lock:
            self._count(host, -1)
            if self._slots.parking and connected is not None:
                self._slots.parking.record(host, connected=connected)

    def leave(self) -> None:
        with self._slots.lock:
            for host, count in list(self._taken_of.items()):
                self._count(host, -count)
            self._slots.shares -= 1

    def _parked(self, host: Host) -> Admission:
        if self._slots.parking is None:
            return Admission.NOW
        admission = self._slots.parking.admission(host)
        return admission if admission or self._patient else Admission.NEVER

    def _is_full(self) -> bool:
        slots = self._slots
        return slots.taken >= slots.total or self._taken >= max(1, slots.total // slots.shares)

    def _is_host_full(self, host: Host) -> bool:
        slots = self._slots
        fair = max(1, slots.per_host // slots.shares)
        return slots.taken_of[host] >= slots.per_host or self._taken_of[host] >= fair

    def _count(self, host: Host, change: int) -> None:
        self._taken += change
        self._slots.taken += change
        for counter in (self._taken_of, self._slots.taken_of):
            counter[host] += change
            if not counter[host]:
                del counter[host]

"""Trouble of a whole server, OpenAI's or the database's, as this process meets it.

No single request is to blame for a wrong key, an empty account, a rate limit or a server that is
down. While it lasts one call at a time feels its way, with growing pauses.
"""

import math
from dataclasses import dataclass
from typing import Final

from generation_service.core.limits import LEASE_SECONDS

_FIRST_PAUSE_SECONDS: Final = 2.0
_LONGEST_PAUSE_SECONDS: Final = 60.0


@dataclass(slots=True)
class Trouble:
    """Times are on the monotonic clock, handed in."""

    _since: float | None = None
    _next_at: float = 0.0
    _pause: float = _FIRST_PAUSE_SECONDS

    def note(self, now: float, *, met: bool) -> None:
        """A call has ended, and has met such trouble or has not."""
        if not met:
            self._since, self._pause = None, _FIRST_PAUSE_SECONDS
        elif self._since is None or now >= self._next_at:  # calls that ran side by side count once
            self._since = now if self._since is None else self._since
            self._next_at = now + self._pause
            self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)

    def lasted(self, now: float) -> float:
        """Seconds since the first call in a row that met it."""
        return 0.0 if self._since is None else now - self._since

    def room(self, now: float, free: int, under_way: int) -> int:
        """How many of the `free` slots may be used."""
        if self._since is None:
            return free
        return int(now >= self._next_at and not under_way)


@dataclass(slots=True)
class Outage:
    """When the database was away last, as this process found out.

    Leases run out meanwhile though their owners live: those must be given the time to say so.
    """

    _met_at: float = -math.inf

    def note(self, now: float) -> None:
        self._met_at = now

    def is_over(self, now: float) -> bool:
        """Whether every owner that lives has had a lease's length to renew what it holds."""
        return now - self._met_at >= LEASE_SECONDS

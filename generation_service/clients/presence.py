"""A clock that stands still while nobody looks after the transfers.

Sockets are read, and names taken in, by one thread that does other things as well. If one of them
takes seconds (a lock in the database, a machine that was paused), whatever was to happen in time
may well have happened, unseen; and libcurl looks at the clock before it looks at the socket. That
time is nobody's fault, and so is no part of anybody's.
"""

import time
from collections.abc import Callable

from generation_service.core.limits import ABSENCE_SECONDS


class Presence:
    """Called, it gives seconds without the absences; `absences` counts them.

    `note` tells it that somebody is there. `clock` is in seconds and monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._missed = 0.0
        self._expected = clock()
        self.absences = 0

    def __call__(self) -> float:
        return self._clock() - self._missed

    def note(self, asleep: float = 0.0) -> None:
        """Now, and again in so many seconds at the latest."""
        now = self._clock()
        late = now - self._expected
        if late > ABSENCE_SECONDS:
            self._missed += late
            self.absences += 1
        self._expected = now + asleep

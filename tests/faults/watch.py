"""Looks at the database again and again while everything around it dies."""

from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType
from typing import Self

from sqlalchemy.exc import OperationalError

from tests.faults import invariants
from tests.faults.snapshot import Snapshot


class Watch:
    """Between `with` and its end, `faults` gathers what was wrong at any look."""

    def __init__(self, take: Callable[[], Snapshot], *, every: float = 0.2) -> None:
        self._take = take
        self._every = every
        self._over = Event()
        self._thread = Thread(target=self._run, name="watch")
        self._last = take()
        self.looks = self.blind = 0
        self.faults: list[str] = []

    def look(self) -> Snapshot:
        seen = self._take()
        self.faults += invariants.between(self._last, seen) + invariants.at_each_look(seen)
        self.looks += 1
        self._last = seen
        return seen

    def _run(self) -> None:
        while not self._over.wait(self._every):
            try:
                self.look()
            except OperationalError:  # the database is dead, too: it may be one of the faults
                self.blind += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Look a last time, when nobody else does."""
        self._over.set()
        self._thread.join()
        self.look()

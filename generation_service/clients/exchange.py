"""A request on its way: over all its hops, and over again if need be."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from generation_service.clients.messages import Outgoing
from generation_service.clients.presence import Presence
from generation_service.clients.urls import Target
from generation_service.core.limits import MAX_REPEATS

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Exchange(Generic[T]):
    """`spent` are the seconds of its earlier hops, as `presence` counts them."""

    tag: T
    request: Outgoing
    target: Target
    presence: Presence
    redirects_left: int
    repeats_left: int = MAX_REPEATS
    spent: float = 0.0
    started: float = 0.0
    absences: int = 0

    def start(self) -> None:
        """The hop's clock begins to run."""
        self.started = self.presence()

    def dialled(self) -> None:
        """From now on libcurl counts, and that by the clock on the wall."""
        self.absences = self.presence.absences

    @property
    def was_missed(self) -> bool:
        """Whether nobody was there for a while since it was dialled."""
        return self.absences != self.presence.absences

    def may_repeat(self) -> bool:
        """Take one of the repeats; only a GET has any, as a second POST may do things twice."""
        self.repeats_left -= 1
        return self.request.method == "GET" and self.repeats_left >= 0

    def elapsed(self) -> float:
        return self.presence() - self.started

    def connect_seconds_left(self) -> float:
        return min(self.request.connect_seconds - self.elapsed(), self.total_seconds_left())

    def total_seconds_left(self) -> float:
        return self.request.total_seconds - self.spent - self.elapsed()

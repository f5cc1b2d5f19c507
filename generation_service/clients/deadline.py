"""A point in time that a whole chain of calls must keep, however many steps it has."""

from dataclasses import dataclass
from time import monotonic
from typing import Self


@dataclass(frozen=True, slots=True)
class Deadline:
    """`at` is on the monotonic clock, so that a change of the wall clock moves nothing."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        return cls(monotonic() + seconds)

    def left(self) -> float:
        """Seconds until it passes, never negative."""
        return max(0.0, self.at - monotonic())

    @property
    def passed(self) -> bool:
        return monotonic() >= self.at

"""Charts as numbers: series over equal steps of time, for a table, a drawing and a summary.

The browser draws what stands in the table; without JavaScript a simple drawing is there already.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

from generation_service.admin.words import count, money

WIDTH: Final = 640
HEIGHT: Final = 160
_UNKNOWN: Final = "\N{EN DASH}"
_TOP: Final = 0.9
"""How much of the height the largest value takes."""

Point = tuple[datetime, str, float]
"""When, in which series, how much."""


@dataclass(frozen=True, slots=True)
class Series:
    """A value for each of the chart's times; None: nobody has looked."""

    name: str
    values: tuple[float | None, ...]
    figure: float
    """What the legend tells of it: a sum, or the last value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """`unit` is `count` or `money` (nanodollars); what `adds_up` is drawn in steps."""

    id: str
    title: str
    unit: str
    adds_up: bool
    times: tuple[datetime, ...]
    series: tuple[Series, ...]

    @property
    def highest(self) -> float:
        return max((value or 0 for each in self.series for value in each.values), default=0)

    @property
    def empty(self) -> bool:
        return not self.highest

    @property
    def newest_first(self) -> list[tuple[datetime, list[tuple[float | None, str]]]]:
        """The rows of its table: values, and how they are written."""
        rows = [
            [(each.values[place], self.written(each.values[place])) for each in self.series]
            for place in range(len(self.times))
        ]
        return list(zip(self.times, rows, strict=True))[::-1]

    def written(self, value: float | None) -> str:
        if value is None:
            return _UNKNOWN
        return money(int(value)) if self.unit == "money" else count(int(value))

    def lines(self) -> list[list[str]]:
        """For each series, the `points` of SVG polylines in WIDTH times HEIGHT: one a gap."""
        return [self._line(each, self.highest or 1) for each in self.series]

    def _line(self, series: Series, highest: float) -> list[str]:
        across = WIDTH / max(1, len(self.times) - (0 if self.adds_up else 1))
        runs = groupby(enumerate(series.values), lambda pair: pair[1] is not None)
        return [
            " ".join(
                corner
                for place, value in piece
                for corner in self._corners(place * across, across, (value or 0) / highest)
            )
            for known, piece in runs
            if known
        ]

    def _corners(self, x: float, across: float, share: float) -> list[str]:
        y = HEIGHT * (1 - _TOP * share)
        # Twice the same, so that a value between two gaps is a line, too, and drawn as a dot.
        ends = (x, x + across) if self.adds_up else (x, x)
        return [f"{end:.1f},{y:.1f}" for end in ends]


def steps(now: datetime, span: timedelta, step: timedelta) -> tuple[datetime, ...]:
    """When the steps of the span up to now begin, the one that is under way last.

    They begin at whole multiples of the step, in UTC.
    """
    seconds = int(step.total_seconds())
    last = int(now.timestamp()) // seconds * seconds
    count = int(span / step)
    return tuple(
        datetime.fromtimestamp(last - seconds * back, UTC) for back in reversed(range(count))
    )


def sums(
    times: Sequence[datetime], names: Mapping[str, str], points: Iterable[Point]
) -> tuple[Series, ...]:
    """What came in each step, all points of it added up; `names` are titles by series."""
    gathered = _gathered(times, points, lambda held, value: (held or 0) + value)
    return tuple(
        _series(title, [gathered[name].get(at, 0) for at in times], add=True)
        for name, title in names.items()
    )


def levels(
    times: Sequence[datetime], names: Mapping[str, str], points: Iterable[Point]
) -> tuple[Series, ...]:
    """How high it stood in each step, the highest of its points."""
    gathered = _gathered(times, points, lambda held, value: max(held or 0, value))
    return tuple(
        _series(title, [gathered[name].get(at) for at in times], add=False)
        for name, title in names.items()
    )


def _gathered(
    times: Sequence[datetime],
    points: Iterable[Point],
    merge: Callable[[float | None, float], float],
) -> defaultdict[str, dict[datetime, float]]:
    step = times[1] - times[0]
    gathered: defaultdict[str, dict[datetime, float]] = defaultdict(dict)
    for at, name, value in points:
        begins = times[0] + (at - times[0]) // step * step
        gathered[name][begins] = merge(gathered[name].get(begins), value)
    return gathered


def _series(title: str, values: Sequence[float | None], *, add: bool) -> Series:
    known = [value for value in values if value is not None]
    return Series(title, tuple(values), sum(known) if add else next(reversed(known), 0))

"""Which charts the overview shows, and where their numbers come from."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from generation_service.admin.charts import Chart, Point, Series, levels, steps, sums
from generation_service.core.status import Kind
from generation_service.db import measurements, usage
from generation_service.db.measurements import ErrorHour, Sample
from generation_service.db.usage import Spent


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """How far back the charts reach, and in steps of what.

    Queues are looked at every `sample_minutes`.
    """

    name: str
    title: str
    length: timedelta
    step: timedelta
    queue_step: timedelta
    sample_minutes: int
    money_step: timedelta

    @property
    def hours(self) -> int:
        return self.length // timedelta(hours=1)


SPANS: Final[Mapping[str, Span]] = {
    span.name: span
    for span in (
        Span(
            name="day",
            title="Last day",
            length=timedelta(days=1),
            step=timedelta(hours=1),
            queue_step=timedelta(minutes=15),
            sample_minutes=1,
            money_step=timedelta(hours=1),
        ),
        Span(
            name="week",
            title="Last week",
            length=timedelta(days=7),
            step=timedelta(hours=6),
            queue_step=timedelta(hours=2),
            sample_minutes=10,
            money_step=timedelta(days=1),
        ),
    )
}

_FAILED: Final = "failed"
_SIMULATED: Final = "simulated"
_OTHERS: Final = "others"
_MOST_CODES: Final = 5
_TEXTS: Final = {
    "vision": "Descriptions",
    "translation": "Translations",
    _FAILED: "Failed or asked again",
}
_REQUESTS: Final = {
    "images": "Photos to probe",
    "vision": "Descriptions to order",
    "openai_vision": "Descriptions at OpenAI",
    "translation": "Translations to order",
    "openai_translation": "Translations at OpenAI",
}
_DELIVERIES: Final = {"deliveries": "To send, or to send again", "paused": "Endpoint paused"}
_MONEY: Final = {Kind.VISION.value: "Descriptions", Kind.TRANSLATION.value: "Translations"}


def charts(connection: Connection, now: datetime, span: Span) -> list[Chart]:
    """All of them, in the order of the page."""
    times = steps(now, span.length, span.step)
    return [
        _texts(connection, times, span),
        _money(connection, steps(now, span.length, span.money_step), span),
        *_queues(connection, steps(now, span.length, span.queue_step), span),
        _errors(connection, times, span),
    ]


def _texts(connection: Connection, times: tuple[datetime, ...], span: Span) -> Chart:
    hours = measurements.throughput_by_hour(connection, hours=span.hours)
    done = [(hour.hour, hour.kind, hour.completed) for hour in hours]
    failed = [(hour.hour, _FAILED, hour.failed) for hour in hours]
    texts = sums(times, _TEXTS, _within(times, [*done, *failed]))
    return _chart("texts", "Texts written", times, texts)


def _errors(connection: Connection, times: tuple[datetime, ...], span: Span) -> Chart:
    hours = measurements.errors_by_hour(connection, hours=span.hours)
    return _chart("errors", "OpenAI errors", times, _by_code(times, hours))


def _by_code(times: Sequence[datetime], hours: Sequence[ErrorHour]) -> tuple[Series, ...]:
    """The most frequent codes by name, the rest together."""
    counts: Counter[str] = Counter()
    for hour in hours:
        counts[hour.code] += hour.errors
    named = [code for code, _ in counts.most_common(_MOST_CODES)]
    names = {code: code for code in named} | (
        {_OTHERS: "Others"} if len(counts) > len(named) else {}
    )
    points = [
        (hour.hour, hour.code if hour.code in named else _OTHERS, hour.errors) for hour in hours
    ]
    return sums(times, names, _within(times, points))


def _queues(connection: Connection, times: tuple[datetime, ...], span: Span) -> Iterator[Chart]:
    minutes = span.queue_step // timedelta(minutes=1)
    samples = measurements.samples(
        connection, hours=span.hours, step_minutes=minutes, each_minutes=span.sample_minutes
    )
    yield _level("requests", "Work waiting", times, _REQUESTS, samples)
    yield _level("deliveries", "Deliveries waiting", times, _DELIVERIES, samples)


def _level(
    id_: str,
    title: str,
    times: tuple[datetime, ...],
    names: Mapping[str, str],
    samples: Sequence[Sample],
) -> Chart:
    points = [(sample.at, sample.queue, sample.depth) for sample in samples]
    series = levels(times, names, _within(times, points))
    return Chart(id=id_, title=title, unit="count", adds_up=False, times=times, series=series)


def _money(connection: Connection, times: tuple[datetime, ...], span: Span) -> Chart:
    """What was billed; simulated texts would have cost something, and stand apart."""
    if span.money_step == timedelta(days=1):
        spent = usage.by_day(connection, len(times))
    else:
        spent = usage.by_hour(connection, len(times))
    names = dict(_MONEY)
    if any(each.account.simulated for each in spent):
        names[_SIMULATED] = "Simulated: billed by nobody"
    points = [(each.at, _billed_as(each), each.tally.charge.cost_nanos) for each in spent]
    each = "day" if span.money_step == timedelta(days=1) else "hour"
    return _chart("money", f"Spent by {each}", times, sums(times, names, points), unit="money")


def _billed_as(spent: Spent) -> str:
    return _SIMULATED if spent.account.simulated else spent.account.kind.value


def _chart(
    id_: str,
    title: str,
    times: tuple[datetime, ...],
    series: tuple[Series, ...],
    unit: str = "count",
) -> Chart:
    return Chart(id=id_, title=title, unit=unit, adds_up=True, times=times, series=series)


def _within(times: Sequence[datetime], points: Iterable[Point]) -> Iterator[Point]:
    """Whole hours may begin before the first step."""
    return (point for point in points if point[0] >= times[0])

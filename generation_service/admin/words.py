"""What the templates call things, and how they write numbers, times and money."""

from datetime import UTC, datetime, timedelta
from typing import Final

from flask import Flask, url_for
from markupsafe import Markup

from generation_service.admin.job_words import is_web, language_name
from generation_service.admin.languages import direction
from generation_service.core.html import clean
from generation_service.core.languages import SOURCE

_NONE: Final = "\N{EN DASH}"
_NANOS: Final = 10**9
_LEAST_NANOS: Final = 10**5
_SECOND: Final = timedelta(seconds=1)
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


def install(app: Flask) -> None:
    """Give the templates their filters, which are the functions below, and the test `web`."""
    app.jinja_env.filters.update(
        count=count,
        money=money,
        age=age,
        due=due,
        moment=moment,
        duration=duration,
        language=language_name,
        direction=direction,
        model_html=model_html,
    )
    app.jinja_env.tests["web"] = is_web
    language_name(SOURCE)  # reads the registry's names, which takes longer than any page may
    app.jinja_env.globals["asset"] = _asset
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def count(number: int) -> str:
    return f"{number:,}"


def money(nanos: int | None) -> str:
    """US dollars from billionths: whole cents from a dollar on, ten-thousandths below."""
    if nanos is None:
        return _NONE
    if 0 < nanos < _LEAST_NANOS:
        return "< $0.0001"
    dollars = nanos / _NANOS
    return f"${dollars:,.2f}" if dollars >= 1 or not nanos else f"${dollars:.4f}"


def moment(at: datetime | None) -> str:
    """A time as people read it, in UTC."""
    return _NONE if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def age(at: datetime | None) -> str:
    """How long ago it was, or how long until then: `3 min ago`, `in 2 h`."""
    if at is None:
        return _NONE
    passed = datetime.now(UTC) - at
    return f"{duration(passed)} ago" if passed >= timedelta(0) else f"in {duration(-passed)}"


def due(at: datetime) -> str:
    """When something is to be done: `in 2 h`, or `now` also while it is late."""
    return "now" if at - datetime.now(UTC) < _SECOND else age(at)


def duration(span: timedelta | float) -> str:
    """The largest two units of a span: `41 s`, `12 min`, `3 h 05 min`, `2 d 4 h`."""
    seconds = round(span.total_seconds() if isinstance(span, timedelta) else span)
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < _DAY:
        return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE:02} min"
    return f"{seconds // _DAY} d {seconds % _DAY // _HOUR} h"


def model_html(text: str) -> Markup:
    """A model's text as it was cleaned when it was stored, and is once more: who knows by whom."""
    return Markup(clean(text))  # noqa: S704 - that is what cleaning is for


def _asset(name: str) -> str:
    return url_for("static", filename=name)

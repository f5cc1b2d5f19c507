"""Query strings, checked as strictly as bodies (docs/api.md §5): 400 with every fault named."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from generation_service.api.lot_rules import is_lot_id
from generation_service.api.validation import invalid
from generation_service.core.limits import DEFAULT_PAGE, MAX_LOTS, MAX_PAGE
from generation_service.core.status import JobStatus, LotStatus

_MAX_OFFSET: Final = 1_000_000_000
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,10}")
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}

_Choice = TypeVar("_Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Page:
    limit: int
    offset: int

    def pagination(self, total: int) -> dict[str, object]:
        return {"limit": self.limit, "offset": self.offset, "total": total}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsFilter:
    """Which lots of the results are wanted; `limit` None means all that match."""

    partial: bool = False
    lot_id: str | None = None
    status: LotStatus | None = None
    limit: int | None = None
    offset: int = 0


class Query:
    """Reads parameters and collects their faults; `check` raises them together."""

    def __init__(self, arguments: Mapping[str, str]) -> None:
        self._arguments = arguments
        self._faults: list[tuple[str, str]] = []

    def check(self) -> None:
        if self._faults:
            raise invalid(self._faults)

    def number(self, name: str, *, default: int, low: int, high: int) -> int:
        text = self._arguments.get(name)
        if text is None:
            return default
        if _WHOLE_NUMBER.fullmatch(text) and low <= int(text) <= high:
            return int(text)
        self._faults.append((name, f"Must be a whole number from {low:,} to {high:,}."))
        return default

    def choice(self, name: str, choices: type[_Choice]) -> _Choice | None:
        text = self._arguments.get(name)
        if text is None:
            return None
        try:
            return choices(text)
        except ValueError:
            self._faults.append((name, f"Must be one of: {', '.join(choices)}."))
            return None

    def flag(self, name: str) -> bool:
        text = self._arguments.get(name, "false").lower()
        if text not in _FLAGS:
            self._faults.append((name, "Must be true or false."))
        return _FLAGS.get(text, False)

    def lot_id(self, name: str) -> str | None:
        text = self._arguments.get(name)
        if text is not None and not is_lot_id(text):
            self._faults.append((name, "Must be a lot_id as in a request."))
        return text


def page(arguments: Mapping[str, str]) -> Page:
    query = Query(arguments)
    wanted = _page(query)
    query.check()
    return wanted


def jobs_page(arguments: Mapping[str, str]) -> tuple[JobStatus | None, Page]:
    query = Query(arguments)
    wanted = (query.choice("status", JobStatus), _page(query))
    query.check()
    return wanted


def results_filter(arguments: Mapping[str, str]) -> ResultsFilter:
    query = Query(arguments)
    wanted = ResultsFilter(
        partial=query.flag("partial"),
        lot_id=query.lot_id("lot_id"),
        status=query.choice("status", LotStatus),
        limit=query.number("limit", default=0, low=1, high=MAX_LOTS) or None,
        offset=query.number("offset", default=0, low=0, high=_MAX_OFFSET),
    )
    query.check()
    return wanted


def _page(query: Query) -> Page:
    return Page(
        limit=query.number("limit", default=DEFAULT_PAGE, low=1, high=MAX_PAGE),
        offset=query.number("offset", default=0, low=0, high=_MAX_OFFSET),
    )

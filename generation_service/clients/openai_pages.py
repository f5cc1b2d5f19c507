"""Listings, page by page as they are asked for, of servers that page in their own ways."""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, TypeVar

from generation_service.core.openai_batch import as_id


class Listed(Protocol):
    """What a listing holds: anything with an id."""

    @property
    def id(self) -> str: ...


_T = TypeVar("_T", bound=Listed)


def listed(
    page: Callable[[str | None], Mapping[str, object]], read: Callable[[object], _T]
) -> Iterator[_T]:
    """Everything in a listing, once; `page` is given the id behind which to go on."""
    seen: set[str] = set()
    after: str | None = None
    while True:
        answer = page(after)
        fresh = [entry for entry in map(read, entries(answer)) if entry.id not in seen]
        yield from fresh
        # A server that ignores `after` would send the same page for ever.
        if not fresh or answer.get("has_more") is False:
            return
        seen.update(entry.id for entry in fresh)
        after = fresh[-1].id


def entries(answer: Mapping[str, object]) -> list[Mapping[str, object]]:
    """What a listing holds; with an entry that has no id nothing could be done."""
    data = answer.get("data")
    found = data if isinstance(data, list) else []
    return [entry for entry in found if isinstance(entry, dict) and as_id(entry.get("id"))]

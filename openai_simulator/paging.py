"""Lists as OpenAI pages them: `after` is the id of the last object already seen."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from openai_simulator.errors import invalid
from openai_simulator.schema import number


class Listed(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def document(self) -> dict[str, object]: ...


def page(
    objects: Sequence[Listed], query: Mapping[str, str], *, usual: int, most: int
) -> dict[str, object]:
    """The page of `objects` that the query's `after` and `limit` ask for."""
    limit = _limit(query.get("limit"), usual, most)
    rest = _after(objects, query.get("after"))
    data = [each.document for each in rest[:limit]]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": len(rest) > limit,
    }


def _limit(text: str | None, usual: int, most: int) -> int:
    if text is None:
        return usual
    try:
        limit = int(text)
    except ValueError as error:
        words = "Invalid type for 'limit': expected an integer."
        raise invalid(words, code="invalid_type", param="limit") from error
    number(1, most, whole=True)(limit, "limit")
    return limit


def _after(objects: Sequence[Listed], ident: str | None) -> Sequence[Listed]:
    if not ident:
        return objects
    for index, each in enumerate(objects):
        if each.id == ident:
            return objects[index + 1 :]
    raise invalid(f"Invalid 'after': no such object: {ident}.", code="invalid_value", param="after")

"""Places in a list that is read page by page, as they stand in a query."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol
from uuid import UUID

from generation_service.db.admin_jobs import Place


class _Placed(Protocol):
    @property
    def id(self) -> UUID: ...

    @property
    def created_at(self) -> datetime: ...


def place(query: Mapping[str, str]) -> Place | None:
    """The place that the query names, by `older` or `newer`; None: the top of the list."""
    for name in ("older", "newer"):
        at, _, id_ = query.get(name, "").partition("_")
        try:
            return Place(datetime.fromisoformat(at), UUID(id_), newer=name == "newer")
        except ValueError:
            continue
    return None


def cursor(placed: _Placed) -> str:
    """What `place` reads."""
    return f"{placed.created_at.isoformat()}_{placed.id}"

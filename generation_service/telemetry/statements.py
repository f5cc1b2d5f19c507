"""What a statement of SQL does, as `database_operations_total` counts it."""

import re
from functools import lru_cache
from typing import Final

_CREATES: Final = re.compile(r"\bINSERT\s+INTO\b|\A\s*COPY\b", re.IGNORECASE)
_UPDATES: Final = re.compile(
    r"\bUPDATE\s+\S+(\s+(AS\s+)?\w+)?\s+SET\b|\bDELETE\s+FROM\b", re.IGNORECASE
)
_READS: Final = re.compile(r"\s*(SELECT|WITH|TABLE|VALUES)\b", re.IGNORECASE)


@lru_cache(maxsize=2048)
def operation_of(statement: str) -> str | None:
    """Whether it creates, updates or reads rows; None for SET, BEGIN and their like.

    One that does several of these counts as the first of them, in this order; deletions count as
    updates, upserts as creations.
    """
    if _CREATES.search(statement):
        return "create"
    if _UPDATES.search(statement):
        return "update"
    return "read" if _READS.match(statement) else None

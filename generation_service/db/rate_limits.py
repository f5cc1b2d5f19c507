"""How often something was done in the current window of time, counted for all processes at once.

A window is one row: `hits` is raised only while it is below the limit, and PostgreSQL lets one
transaction after the other change a row, so a limit of 100 lets exactly 100 through however many
processes ask. Windows begin at whole multiples of their length, by the database's clock.
"""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row

from generation_service.db.kept_statements import KeptStatement
from generation_service.db.statements import run


@dataclass(frozen=True, slots=True)
class Window:
    """What is used up of a limit; the window ends in `resets_in` seconds."""

    limit: int
    used: int
    allowed: bool
    resets_in: float


def hit(connection: Connection, key: str, *, limit: int, seconds: int) -> Window:
    """Count one for `key`, unless `limit` (at least 1) is reached: then nothing is counted.

    `seconds` is the length of the windows, an hour at most: db/expiry.py removes those that began
    two hours ago.
    Others who count for the same key wait until this transaction has ended.
    """
    return window(run(connection, _HIT, key=key, limit=limit, seconds=seconds).one(), limit)


def hit_alone(connection: Connection, key: str, *, limit: int, seconds: int) -> Window:
    """Count one in a statement that is a transaction of its own, and waits for no disk.

    A few hits that a crash of the server forgets are no loss.
    """
    row = _HIT_ALONE.run(connection, key=key, limit=limit, seconds=seconds).one()
    return window(row, limit)


def take_back(connection: Connection, key: str, *, seconds: int) -> None:
    """Uncount one hit of the current window."""
    run(connection, _TAKE_BACK, key=key, seconds=seconds)


def window(row: Row[Any], limit: int) -> Window:
    """What a row with the columns of `HIT` says."""
    used = limit if row.hits is None else row.hits
    return Window(limit, used, row.hits is not None, _left(row))


def look(connection: Connection, key: str, *, limit: int, seconds: int) -> Window:
    """Tell whether a hit would be allowed now; waits for nobody and counts nothing."""
    row = run(connection, _LOOK, key=key, seconds=seconds).one()
    return Window(limit, min(row.hits, limit), row.hits < limit, _left(row))


def _left(row: Row[Any]) -> float:
    return max(float(row.resets_in), 0.0)


_CLOCK = """
    WITH clock AS (
        SELECT to_timestamp(
            floor(extract(epoch FROM statement_timestamp()) / :seconds) * :seconds
        ) AS starts
    )
"""

_RESETS_IN = "extract(epoch FROM starts - statement_timestamp()) + :seconds AS resets_in"

# The NOT EXISTS spares a window that is full already the lock that ON CONFLICT takes even where
# its WHERE is false; the WHERE is what makes the count exact.
COUNTED = f"""
    {_CLOCK}, counted AS (
        INSERT INTO rate_limit_windows AS mine (key, window_start, hits)
        SELECT :key, starts, 1 FROM clock
        WHERE NOT EXISTS (
            SELECT FROM rate_limit_windows
            WHERE key = :key AND window_start = starts AND hits >= :limit
        )
        ON CONFLICT (key, window_start) DO UPDATE SET hits = mine.hits + 1
        WHERE mine.hits < :limit
        RETURNING hits
    )
"""  # noqa: S608 - put together from constants
"""How a statement begins that counts a hit: `clock` has a row, `counted` one if it was allowed."""

HIT = f"(SELECT hits FROM counted) AS hits, {_RESETS_IN}"  # noqa: S608 - constants
"""What it then selects from `clock`, for `window`."""

NO_WAIT = "set_config('synchronous_commit', 'off', true)"
"""Selected, it spares a statement that is a transaction of its own the wait for the disk."""

_HIT = f"{COUNTED} SELECT {HIT} FROM clock"  # noqa: S608 - constants

_HIT_ALONE: Final = KeptStatement(
    "count_a_hit",
    {"key": "text", "limit": "int", "seconds": "int"},
    f"{COUNTED} SELECT {HIT}, {NO_WAIT} FROM clock",  # noqa: S608 - constants
)

_TAKE_BACK = f"""
    {_CLOCK}
    UPDATE rate_limit_windows SET hits = hits - 1
    FROM clock WHERE key = :key AND window_start = starts AND hits > 0
"""  # noqa: S608 - put together from constants

_LOOK = f"""
    {_CLOCK}
    SELECT coalesce(hits, 0) AS hits, {_RESETS_IN}
    FROM clock LEFT JOIN rate_limit_windows ON key = :key AND window_start = starts
"""  # noqa: S608 - put together from constants

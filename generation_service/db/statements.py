"""Small pieces that the statements of this package share."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar

import psycopg2
from sqlalchemy import Connection, CursorResult, Dialect, Row, text
from sqlalchemy.exc import DBAPIError

from generation_service.telemetry import metrics


class LeaseLostError(Exception):
    """Another process has taken the work over; what this one found out must not be recorded."""


def run(connection: Connection, statement: str, **values: Any) -> CursorResult[Any]:
    """Execute SQL in which values are named as `:name`.

    It is counted here, for /metrics: where anybody listens to an engine's statements, each of them
    costs a sixth more.
    """
    words = _in_the_drivers_words(statement, connection.dialect)
    result = connection.exec_driver_sql(words, values)
    metrics.database_executed(statement)
    return result


# There are some two hundred. To have SQLAlchemy read a statement at each use costs as much as
# PostgreSQL takes for a short one.
@lru_cache(maxsize=512)
def _in_the_drivers_words(statement: str, dialect: Dialect) -> str:
    return str(text(statement).compile(dialect=dialect))


def rows(connection: Connection, statement: str, **values: Any) -> list[Row[Any]]:
    return list(run(connection, statement, **values))


def changed(connection: Connection, statement: str, **values: Any) -> int:
    """Run a statement and return how many rows it changed."""
    return run(connection, statement, **values).rowcount


_Status = TypeVar("_Status", bound=StrEnum)


def sources(table: Mapping[_Status, frozenset[_Status]], target: _Status) -> list[str]:
    """The states from which `target` may be reached, for `status = ANY(:sources)`."""
    return names(table[target])


def names(states: Iterable[StrEnum]) -> list[str]:
    return sorted(state.value for state in states)


def copy_rows(connection: Connection, target: str, lines: Iterable[str]) -> None:
    """Stream lines of COPY's text format into `target`, e.g. `batch_lots (job_id, position)`.

    SQLAlchemy doesn't know COPY, so the driver's errors are made its own here.
    """
    statement = f"COPY {target} FROM STDIN"
    cursor = connection.connection.cursor()
    try:
        cursor.copy_expert(statement, LineReader(lines))
        metrics.database_executed(statement)
    except psycopg2.Error as error:
        raise DBAPIError.instance(
            statement, None, error, psycopg2.Error, hide_parameters=True, dialect=connection.dialect
        ) from error
    finally:
        cursor.close()


class LineReader:
    """A file-like view of an iterable of text, so that COPY never holds all of it."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._rest = ""

    def read(self, size: int = 8192) -> str:
        pieces, held = [self._rest], len(self._rest)
        while held < size:
            line = next(self._lines, None)
            if line is None:
                break
            pieces.append(line)
            held += len(line)
        joined = "".join(pieces)
        self._rest = joined[size:]
        return joined[:size]

    def readline(self, size: int = 8192) -> str:
        return self.read(size)


def copy_line(*values: object) -> str:
    """One row in COPY's text format; None is NULL, lists of strings are text arrays."""
    return "\t".join(_copy_field(value) for value in values) + "\n"


def _copy_field(value: object) -> str:
    if value is None:
        return r"\N"
    if isinstance(value, list | tuple):
        return _escape(_array([str(item) for item in value]))
    return _escape(str(value))


def _array(items: list[str]) -> str:
    """PostgreSQL's text form of a text array."""
    joined = '","'.join(items)
    if "\\" in joined or joined.count('"') > 2 * (len(items) - 1):
        joined = '","'.join(item.replace("\\", "\\\\").replace('"', '\\"') for item in items)
    return f'{{"{joined}"}}' if items else "{}"


def _escape(field: str) -> str:
    return (
        field.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    )

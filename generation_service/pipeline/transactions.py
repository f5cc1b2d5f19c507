"""Transactions that are repeated when they met another one."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from generation_service.core.limits import REQUEST_STATEMENT_SECONDS
from generation_service.db.engine import end_statements_after

_T = TypeVar("_T")
_TRIES = 5
_MET_ANOTHER = {"40P01", "40001"}  # deadlock_detected, serialization_failure


def request_transaction(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    """Like `transaction`, for a client who waits: statements end after 25 s (docs/api.md §1)."""

    def limited(connection: Connection) -> _T:
        end_statements_after(connection, REQUEST_STATEMENT_SECONDS)
        return work(connection)

    return transaction(engine, limited)


def transaction(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    """Run `work` in one transaction, and again from the start after a deadlock."""
    for _ in range(_TRIES - 1):
        try:
            with engine.begin() as connection:
                return work(connection)
        except OperationalError as error:
            if getattr(error.orig, "pgcode", None) not in _MET_ANOTHER:
                raise
    with engine.begin() as connection:
        return work(connection)

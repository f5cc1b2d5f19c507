"""Transactions that are repeated: when they met another one, or hold what is paid for."""

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from generation_service.core.limits import KEEP_SECONDS
from generation_service.db.availability import is_unavailable, sqlstate
from generation_service.db.commits import take_actions
from generation_service.db.engine import lift_statement_timeout

_T = TypeVar("_T")
_TRIES = 5
_MET_ANOTHER = {"40P01", "40001"}  # deadlock_detected, serialization_failure
_FIRST_PAUSE = 0.1


def transaction(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    """Run `work` in one transaction, and again from the start after a deadlock."""

    def unhurried(connection: Connection) -> _T:
        lift_statement_timeout(connection)
        return work(connection)

    return request_transaction(engine, unhurried)


def kept(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    """Like `request_transaction`, for what is paid for and is nowhere else.

    While the database is unavailable it is tried again, for some seconds. A commit whose answer
    got lost is then done twice, so `work` has to be harmless the second time.
    """
    until, pause = time.monotonic() + KEEP_SECONDS, _FIRST_PAUSE
    while True:
        try:
            return request_transaction(engine, work)
        except SQLAlchemyError as error:
            if not is_unavailable(error) or time.monotonic() + pause > until:
                raise
        time.sleep(pause)
        pause *= 2


def request_transaction(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    """Like `transaction`, for a client who waits: statements end after 25 s (docs/api.md §1)."""
    for _ in range(_TRIES - 1):
        try:
            return _once(engine, work)
        except OperationalError as error:
            if sqlstate(error) not in _MET_ANOTHER:
                raise
    return _once(engine, work)


def _once(engine: Engine, work: Callable[[Connection], _T]) -> _T:
    with engine.begin() as connection:
        take_actions(connection)  # left there by one that was rolled back
        result = work(connection)
        actions = take_actions(connection)
    for action in actions:
        action()
    return result

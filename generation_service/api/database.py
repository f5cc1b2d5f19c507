"""Database work of a request: short, and ended by PostgreSQL when it isn't."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from sqlalchemy import Connection, Engine

from generation_service.db import operations

if TYPE_CHECKING:
    import psycopg2.extensions

CLOCK_SECONDS: Final = 30.0


@contextmanager
def request_transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction whose statements end after 25 s; the client then gets a 503."""
    with engine.begin() as connection:
        yield connection


@contextmanager
def request_statement(engine: Engine) -> Iterator[Connection]:
    """For one statement, which is a transaction of its own: one exchange with the server.

    SQLAlchemy's own way, an isolation level, has psycopg2 send two more statements.
    """
    with engine.connect() as connection:
        driver = cast("psycopg2.extensions.connection", connection.connection.dbapi_connection)
        driver.autocommit = True
        try:
            yield connection
        finally:
            if not driver.closed:
                driver.autocommit = False


class DatabaseClock:
    """The database's clock, which all processes and machines share, without asking it each time.

    How far it is from this process's monotonic clock is measured at most every 30 s.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._measured = (float("-inf"), 0.0)
        """When, and how far the database's clock was ahead; one value, as threads share it."""

    def now(self) -> float:
        """Unix seconds."""
        measured_at, ahead = self._measured
        if time.monotonic() - measured_at > CLOCK_SECONDS:
            ahead = self._measure()
        return time.monotonic() + ahead

    def _measure(self) -> float:
        with request_transaction(self._engine) as connection:
            seconds = operations.now(connection).timestamp()
        measured_at = time.monotonic()
        ahead = seconds - measured_at
        self._measured = (measured_at, ahead)
        return ahead

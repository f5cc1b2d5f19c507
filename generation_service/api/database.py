"""Database work of a request: short, and ended by PostgreSQL when it isn't."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from generation_service.core.limits import REQUEST_STATEMENT_SECONDS
from generation_service.db.engine import end_statements_after


@contextmanager
def request_transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction whose statements end after 25 s; the client then gets a 503."""
    with engine.begin() as connection:
        end_statements_after(connection, REQUEST_STATEMENT_SECONDS)
        yield connection

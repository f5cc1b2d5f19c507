"""PostgreSQL for tests: one server a run, one migrated template, a clone of it a module."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from psycopg2.errors import InsufficientPrivilege
from sqlalchemy import Engine, MetaData, NullPool, Table, create_engine, make_url, text
from sqlalchemy.exc import ProgrammingError

from generation_service.db.engine import driver_url, make_engine, migrate
from tests.waiting import until


@contextmanager
def migrated(server_url: str) -> Iterator[str]:
    """The URL of a new database with the newest schema, dropped afterwards."""
    with _new_database(server_url, "TEMPLATE template0") as url:
        engine = make_engine(url)
        migrate(engine)
        engine.dispose()
        yield url


@contextmanager
def clone(template_url: str, server_url: str) -> Iterator[str]:
    """The URL of a copy of the template, dropped afterwards; nobody may be connected to it."""
    with _new_database(server_url, f"TEMPLATE {make_url(template_url).database}") as url:
        yield url


@contextmanager
def bare(server_url: str) -> Iterator[str]:
    """The URL of a new database with nothing in it, dropped afterwards."""
    with _new_database(server_url, "TEMPLATE template0") as url:
        yield url


@contextmanager
def _new_database(server_url: str, options: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    _run(server_url, f"CREATE DATABASE {name} {options}")
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        until(lambda: _is_dropped(server_url, name), what=f"{name} is dropped")


def _is_dropped(server_url: str, name: str) -> bool:
    """Drop it, unless PostgreSQL's own autovacuum is in it, which only a superuser may end."""
    try:
        _run(server_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    except ProgrammingError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        return False
    return True


def _run(url: str, statement: str) -> None:
    engine = create_engine(driver_url(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))


def tables(url: str) -> Sequence[Table]:
    """The service's tables, in an order in which they can be emptied."""
    metadata = MetaData()
    metadata.reflect(create_engine(driver_url(url), poolclass=NullPool))
    return [table for table in reversed(metadata.sorted_tables) if table.name != "alembic_version"]


def empty(engine: Engine, tables: Sequence[Table]) -> None:
    """Delete all rows: for tables as small as a test's that is far quicker than TRUNCATE."""
    with engine.begin() as connection:
        # A transaction that the last test has left open fails this one, instead of hanging it.
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        for table in tables:
            connection.execute(table.delete())

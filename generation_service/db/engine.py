"""Connections and migrations."""

import time
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg2.extras import register_uuid
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from generation_service.core.limits import REQUEST_STATEMENT_SECONDS, STAGE_LOCK_SECONDS
from generation_service.db.availability import leave_read_only_servers

register_uuid()  # type: ignore[no-untyped-call]

MIGRATIONS = Path(__file__).parents[2] / "migrations"
_PING_AFTER_SECONDS = 5.0
_RESTING_SINCE = "resting since"
_UNHURRIED = text(
    f"SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '{STAGE_LOCK_SECONDS}s'"
)
MIGRATION_LOCK = 0x67656E73  # any constant will do, as long as every process uses the same

ENGINE_OPTIONS: dict[str, Any] = {
    "pool_size": 10,
    "max_overflow": 5,
    "pool_timeout": 10,
    "pool_use_lifo": True,  # the connection whose server process has everything at hand comes next
    "hide_parameters": True,  # what clients sent has no place in logs
    "connect_args": {
        "connect_timeout": 5,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,  # ms; keepalives say nothing while an answer is awaited
        "application_name": "generation-service",
        "options": "-c timezone=UTC -c idle_in_transaction_session_timeout=60000"
        f" -c statement_timeout={REQUEST_STATEMENT_SECONDS}s"
        # PostgreSQL's 4 is a disk's that has to move its arm: for it, planners read a whole table
        # rather than look up 50,000 of its rows.
        " -c random_page_cost=1.1"
        # Statements here take milliseconds; to compile one would take a hundred.
        " -c jit=off",
    },
}


def driver_url(url: str) -> str:
    """Name the driver: SQLAlchemy 2.1 takes a plain postgresql:// to mean psycopg 3."""
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            return "postgresql+psycopg2://" + url.removeprefix(plain)
    return url


def make_engine(url: str) -> Engine:
    engine = create_engine(driver_url(url), **ENGINE_OPTIONS)
    keep_sound(engine)
    return engine


def keep_sound(engine: Engine) -> None:
    """Have the pool give out no connection that may be dead, or whose server is read-only.

    SQLAlchemy's own pre-ping asks the server each time, which doubles the cost of a short
    statement; here only those are asked that have rested. When one in use turns out dead, all go.
    """

    def rest(_connection: Any, entry: ConnectionPoolEntry) -> None:
        entry.info[_RESTING_SINCE] = time.monotonic()

    def wake(connection: Any, entry: ConnectionPoolEntry, _proxy: object) -> None:
        rested = time.monotonic() - entry.info.pop(_RESTING_SINCE, time.monotonic())
        if rested > _PING_AFTER_SECONDS and not _is_alive(engine, connection):
            raise DisconnectionError

    event.listen(engine, "checkin", rest)
    event.listen(engine, "checkout", wake)
    leave_read_only_servers(engine)


def _is_alive(engine: Engine, connection: Any) -> bool:
    try:
        return engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error:
        return False


def lift_statement_timeout(connection: Connection) -> None:
    """For this transaction: nobody waits for its statements, though they don't wait for ever.

    Whoever forgot a transaction that holds a row's lock must be noticed, not waited for.
    """
    connection.execute(_UNHURRIED)


def limit_statements(connection: Connection, seconds: int) -> None:
    """For this transaction: its statements end after so many seconds, 0: never."""
    connection.execute(text(f"SET LOCAL statement_timeout = '{seconds}s'"))


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest revision; processes that start together take turns."""
    settings = AlembicConfig()
    settings.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    head = ScriptDirectory.from_config(settings).get_current_head()
    with engine.connect() as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()
        try:
            if MigrationContext.configure(connection).get_current_revision() != head:
                connection.commit()
                settings.attributes["connection"] = connection
                command.upgrade(settings, "head")
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
            connection.execute(text("RESET statement_timeout"))
            connection.commit()

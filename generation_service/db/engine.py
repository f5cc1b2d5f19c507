"""Connections and migrations."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg2.extras import register_uuid
from sqlalchemy import Connection, Engine, create_engine, text

register_uuid()  # type: ignore[no-untyped-call]

MIGRATIONS = Path(__file__).parents[2] / "migrations"
MIGRATION_LOCK = 0x67656E73  # any constant will do, as long as every process uses the same

ENGINE_OPTIONS: dict[str, Any] = {
    "pool_size": 10,
    "max_overflow": 5,
    "pool_timeout": 10,
    "pool_pre_ping": True,
    "hide_parameters": True,  # what clients sent has no place in logs
    "connect_args": {
        "connect_timeout": 5,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "application_name": "generation-service",
        "options": "-c timezone=UTC -c idle_in_transaction_session_timeout=60000",
    },
}


def driver_url(url: str) -> str:
    """Name the driver: SQLAlchemy 2.1 takes a plain postgresql:// to mean psycopg 3."""
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            return "postgresql+psycopg2://" + url.removeprefix(plain)
    return url


def make_engine(url: str) -> Engine:
    return create_engine(driver_url(url), **ENGINE_OPTIONS)


def end_statements_after(connection: Connection, seconds: int) -> None:
    """Have PostgreSQL end each statement of this transaction that takes longer."""
    connection.execute(text(f"SET LOCAL statement_timeout = '{seconds}s'"))


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest revision; processes that start together take turns."""
    settings = AlembicConfig()
    settings.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    head = ScriptDirectory.from_config(settings).get_current_head()
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        try:
            if MigrationContext.configure(connection).get_current_revision() != head:
                connection.commit()
                settings.attributes["connection"] = connection
                command.upgrade(settings, "head")
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
            connection.commit()

"""Heartbeats, and values generated once for a deployment."""

from datetime import datetime

from sqlalchemy import Connection

from generation_service.db.statements import run


def beat(connection: Connection, process: str, stage: str) -> None:
    """Note that a stage of this process ticks; beats of processes long gone are swept away."""
    run(
        connection,
        """
        INSERT INTO worker_heartbeats (process, stage, ticked_at) VALUES (:process, :stage, now())
        ON CONFLICT (process, stage) DO UPDATE SET ticked_at = excluded.ticked_at
        """,
        process=process,
        stage=stage,
    )


def setting(connection: Connection, name: str, proposal: str) -> str:
    """Return the stored value of `name`; the first to ask stores its own proposal."""
    run(
        connection,
        "INSERT INTO settings (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING",
        name=name,
        value=proposal,
    )
    value: str = run(
        connection, "SELECT value FROM settings WHERE name = :name", name=name
    ).scalar_one()
    return value


def now(connection: Connection) -> datetime:
    """The database's clock: every due time and signature age is judged by it."""
    moment: datetime = run(connection, "SELECT now()").scalar_one()
    return moment

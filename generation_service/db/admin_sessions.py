"""Operators who are logged in to the admin pages."""

from uuid import UUID

from sqlalchemy import Connection

from generation_service.db.statements import rows, run


def begin(connection: Connection, session: UUID, hours: int) -> UUID:
    """Remember a session for so many hours, and forget those that are over."""
    run(connection, "DELETE FROM admin_sessions WHERE expires_at < now()")
    run(
        connection,
        """
        INSERT INTO admin_sessions (id, expires_at)
        VALUES (:id, now() + make_interval(hours => :hours))
        """,
        id=session,
        hours=hours,
    )
    return session


def end(connection: Connection, session: UUID) -> None:
    run(connection, "DELETE FROM admin_sessions WHERE id = :id", id=session)


def is_open(connection: Connection, session: UUID) -> bool:
    statement = "SELECT FROM admin_sessions WHERE id = :id AND expires_at > now()"
    return bool(rows(connection, statement, id=session))

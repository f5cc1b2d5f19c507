"""Which errors mean that the database can't do its work now, though the statement is right."""

from typing import Final

from sqlalchemy import Engine, ExceptionContext, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

# SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html
_READ_ONLY: Final = "25006"
_WRITABLE: Final = text("SELECT NOT CAST(current_setting('transaction_read_only') AS bool)")
_PROGRAM_LIMIT_EXCEEDED: Final = "54"  # this class is operational to the driver, yet lasting


def is_unavailable(error: BaseException) -> bool:
    """Whether the same work may well succeed in a while, on another connection.

    So it is when a connection was cut or refused, when the pool, the server's disk, memory or
    connections are used up, when a statement or a lock took too long, and after a failover.
    """
    if not isinstance(error, DBAPIError):
        return isinstance(error, PoolTimeoutError)
    if error.connection_invalidated:
        return True
    operational = isinstance(error, OperationalError | InterfaceError)
    return operational and not sqlstate(error).startswith(_PROGRAM_LIMIT_EXCEEDED)


def sqlstate(error: DBAPIError) -> str:
    """PostgreSQL's five characters; empty when the error is the driver's or the network's."""
    return getattr(error.orig, "pgcode", None) or ""


def is_writable(engine: Engine) -> bool:
    """Whether the server answers, and takes changes: no request does without."""
    with engine.connect() as connection:
        writable: bool = connection.execute(_WRITABLE).scalar_one()
        if not writable:
            connection.invalidate()  # after a failover, the next one may reach the new primary
        return writable


def leave_read_only_servers(engine: Engine) -> None:
    """Drop all connections when one turns out read-only: after a failover they must be made anew.

    The server that was the primary may still answer, and would keep its connections for ever.
    """
    event.listen(engine, "handle_error", _leave)


def _leave(context: ExceptionContext) -> None:
    if getattr(context.original_exception, "pgcode", None) == _READ_ONLY:
        context.is_disconnect = True

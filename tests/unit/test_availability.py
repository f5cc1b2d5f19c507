"""Which errors of the database pass by themselves."""

import psycopg2
import pytest
from psycopg2 import errors
from sqlalchemy import exc

from generation_service.db.availability import is_unavailable


def wrapped(error, *, cut=False):
    """The error as SQLAlchemy raises it; `cut` tells that the connection is gone."""
    made = exc.DBAPIError.instance("SELECT", {}, error, psycopg2.Error, connection_invalidated=cut)
    assert isinstance(made, exc.DBAPIError)
    return made


class FromServer:
    """An error with a SQLSTATE that PostgreSQL sent: the driver's own attribute is read-only."""

    def __init__(self, error, sqlstate):
        kind = type(error.__name__, (error,), {"pgcode": sqlstate})
        self.error = wrapped(kind("…"))


@pytest.mark.parametrize(
    "sqlstate",
    [
        *("53000", "53100", "53200", "53300", "53400"),  # disk, memory, connections
        *("57P01", "57P02", "57P03", "57P05", "57014"),  # shut down, starting, too slow
        *("08000", "08006", "55P03", "58030", "40P01", "40001", "28P01"),
    ],
)
def test_what_the_server_cannot_do_now_passes(sqlstate):
    assert is_unavailable(FromServer(errors.lookup(sqlstate), sqlstate).error)


@pytest.mark.parametrize(
    "sqlstate", ["23505", "42601", "42P01", "22P02", "54000", "XX000", "25P02"]
)
def test_what_would_fail_again_does_not(sqlstate):
    assert not is_unavailable(FromServer(errors.lookup(sqlstate), sqlstate).error)


def test_what_the_network_or_the_pool_cannot_do_now_passes():
    assert is_unavailable(wrapped(psycopg2.OperationalError("connection refused")))
    assert is_unavailable(wrapped(psycopg2.InterfaceError("connection already closed")))
    assert is_unavailable(wrapped(psycopg2.DatabaseError("no message from the libpq"), cut=True))
    assert is_unavailable(exc.TimeoutError("QueuePool limit"))


def test_our_own_faults_do_not():
    assert not is_unavailable(ValueError("a bug"))
    assert not is_unavailable(exc.InvalidRequestError("a bug"))
    assert not is_unavailable(TimeoutError("somebody else's"))

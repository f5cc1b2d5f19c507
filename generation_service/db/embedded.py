"""A real PostgreSQL in DATA_DIR for whoever has none: used while DATABASE_URL is unset.

Many processes share it and any of them may be killed at any moment, so nothing is counted. What is
alive shows in four locks, which the kernel frees with the death of whoever holds them:

- users: held shared by every process that has called acquire(), for the rest of its life.
- server: held by PostgreSQL and inherited by each process it starts; free means all are gone.
- guard: held by the guard, which waits to have `users` for itself and then stops PostgreSQL.
- start: held during acquire(), so that one process at a time looks and mends.

The guard is started before PostgreSQL, and the process that turns into PostgreSQL counts as a user
until it holds `server`. So no user can die at a moment that leaves PostgreSQL without its guard.
"""

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psycopg2
from sqlalchemy import URL

from generation_service.db.embedded_files import (
    SOCKET_NAME,
    EmbeddedPostgresError,
    Place,
    exclusively,
    find_binaries,
    lock,
)
from generation_service.db.embedded_guard import is_locked
from generation_service.db.embedded_launch import PORT

NAME: Final = "generation_service"  # of the database and of the role that owns it
PATIENCE_SECONDS: Final = 60.0  # covers a recovery after kill -9 and a shutdown under way
MAX_STARTS: Final = 3
MAX_LOG_BYTES: Final = 10 * 1024 * 1024
LOG_LINES_TOLD: Final = 8
POLL_SECONDS: Final = 0.01

_PROGRAMS: Final = Path(__file__).parent
# Neither PGDATA, PGOPTIONS and the like nor a locale of the caller may change what is started.
_ENVIRONMENT: Final = {"PATH": os.defpath, "LC_ALL": "C"}

# No superuser: that one could read files of the system, and would take the connections kept for us.
_WANTED: Final = (
    ("SELECT FROM pg_roles WHERE rolname = %s", f"CREATE ROLE {NAME} LOGIN CREATEDB"),
    ("SELECT FROM pg_database WHERE datname = %s", f"CREATE DATABASE {NAME} OWNER {NAME}"),
)

_holds: dict[tuple[int, int], int] = {}  # (device, inode) of a users lock -> what holds it


def acquire(data_dir: Path) -> str:
    """Have PostgreSQL run in `data_dir` for as long as this process lives.

    Gives the SQLAlchemy URL of the database `generation_service`. May be called by many processes
    and threads at once, and again whenever PostgreSQL may have died: it is then started anew, with
    all that was committed. Children made by fork share the hold. Raises EmbeddedPostgresError.
    """
    place = Place(data_dir.resolve())
    until = time.monotonic() + PATIENCE_SECONDS
    try:
        place.root.mkdir(parents=True, exist_ok=True)
        users_fd = _hold(place.lock("users"), until)
        with exclusively(place.lock("start"), until=until) as start_fd:
            _ensure_guard(place)
            _ensure_server(place, until, (users_fd, start_fd))
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmbeddedPostgresError(
            f"PostgreSQL cannot be run in {place.root} ({error}); set DATA_DIR to a folder of "
            "this user"
        ) from error
    return _url(place)


def _url(place: Place) -> str:
    url = URL.create(
        "postgresql+psycopg2",
        username=NAME,
        database=NAME,
        query={"host": str(place.sockets), "port": str(PORT)},
    )
    return url.render_as_string()


def _hold(users_lock: Path, until: float) -> int:
    """Count as a user from now on; waits while the guard stops PostgreSQL."""
    fd = lock(users_lock, fcntl.LOCK_SH, until=until)
    found = os.fstat(fd)
    held = _holds.setdefault((found.st_dev, found.st_ino), fd)
    if held != fd:
        os.close(fd)
    return held


def _ensure_guard(place: Place) -> None:
    locks = [place.lock(name) for name in ("users", "guard", "server")]
    for _ in range(MAX_STARTS):
        if is_locked(place.lock("guard")):
            return
        _run(place, "embedded_guard.py", [*locks, place.data, place.sockets / SOCKET_NAME])
    if not is_locked(place.lock("guard")):
        raise EmbeddedPostgresError(f"PostgreSQL's guard does not start: {_end_of_log(place)}")


def _ensure_server(place: Place, until: float, fds: tuple[int, int]) -> None:
    starts = 0
    while (problem := _problem(place)) is not None:
        if is_locked(place.lock("server")):
            if time.monotonic() > until:
                raise EmbeddedPostgresError(f"PostgreSQL runs but cannot be used: {problem}")
            time.sleep(POLL_SECONDS)
        elif starts < MAX_STARTS:
            starts += 1
            _start(place, *fds)
        else:
            raise EmbeddedPostgresError(f"PostgreSQL does not start: {_end_of_log(place)}")


def _problem(place: Place) -> str | None:
    """Why PostgreSQL cannot be used, or None; makes the role and the database if need be."""
    try:
        connection = psycopg2.connect(
            host=str(place.sockets),
            port=PORT,
            user="postgres",
            dbname="postgres",
            connect_timeout=5,
        )
        with contextlib.closing(connection), connection.cursor() as cursor:
            connection.autocommit = True
            for look, make in _WANTED:
                cursor.execute(look, (NAME,))
                if cursor.rowcount == 0:
                    cursor.execute(make)
    except psycopg2.OperationalError as error:
        return str(error)
    return None


def _start(place: Place, users_fd: int, start_fd: int) -> None:
    if place.log.exists() and place.log.stat().st_size > MAX_LOG_BYTES:
        os.truncate(place.log, 0)
    run_as = [*place.owner(), find_binaries(place.data), place.data]
    if not place.data.exists():
        # Should we die now, our lock lives on in initdb: no second one works on the same folder.
        _run(place, "embedded_launch.py", ["initdb", *run_as], pass_fds=(start_fd,))
    if not place.data.exists():
        raise EmbeddedPostgresError(f"PostgreSQL's initdb failed: {_end_of_log(place)}")
    server = ["server", *run_as, place.lock("server"), users_fd, place.make_socket_folder()]
    _run(place, "embedded_launch.py", server, pass_fds=(users_fd,))


def _run(
    place: Place, program: str, arguments: Sequence[object], *, pass_fds: Sequence[int] = ()
) -> None:
    """Run one of the programs beside this module, out of reach of the terminal's signals.

    Its exit status is not looked at: a parent that reaps every child, as Gunicorn's arbiter does,
    may have taken it. What the program did shows in its locks and files.
    """
    command = [sys.executable, "-I", "-S", str(_PROGRAMS / program), *map(str, arguments)]
    with place.log.open("ab") as log:
        subprocess.run(  # noqa: S603 - our own program, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_ENVIRONMENT,
            pass_fds=pass_fds,
            start_new_session=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )


def _end_of_log(place: Place) -> str:
    lines = place.log.read_text(errors="replace").splitlines()
    return " / ".join(lines[-LOG_LINES_TOLD:])

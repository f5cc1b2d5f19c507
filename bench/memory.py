"""Memory of a service's processes, from Linux's /proc; elsewhere it is not measured."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_PROC = Path("/proc")
_KIB = 1024


@dataclass
class Growth:
    """`bytes` is how much more than before the block the processes held together at their peaks."""

    bytes: int | None = field(default=None)


@contextmanager
def growth(pid: int) -> Iterator[Growth]:
    """Watch the process and its descendants while the block runs."""
    found = Growth()
    before = {each: _reset(each) for each in _family(pid)} if _PROC.exists() else {}
    yield found
    if before:
        peaks = {each: _status(each, "VmHWM") for each in before}
        found.bytes = sum(max(0, peaks[each] - held) for each, held in before.items())


def _family(pid: int) -> list[int]:
    """The process and all that it has started, but for PostgreSQL's."""
    parents = {}
    for status in _PROC.glob("[0-9]*/stat"):
        name, _, rest = _read(status).rpartition(")")
        if rest and "(postgres" not in name:
            parents[int(status.parent.name)] = int(rest.split()[1])
    family = [pid]
    for each in family:
        family += [child for child, parent in parents.items() if parent == each]
    return family


def _reset(pid: int) -> int:
    """Set the recorded peak back to what is held now, and return that."""
    with suppress(OSError):
        (_PROC / str(pid) / "clear_refs").write_text("5")
    return _status(pid, "VmRSS")


def _status(pid: int, name: str) -> int:
    """Bytes; none of a process that has ended."""
    for line in _read(_PROC / str(pid) / "status").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * _KIB
    return 0


def _read(path: Path) -> str:
    """What stands there, or nothing: a process may end at any moment."""
    try:
        return path.read_text()
    except OSError:
        return ""

"""Files that survive kill -9: append-only JSON lines, and documents replaced as a whole.

A line is written by one system call and needs no fsync: what the kernel has taken outlives the
process. A line torn by the kill is dropped when the file is opened again.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Lock


class Journal:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._file = path.open("ab", buffering=0)
        self._file.truncate(_whole_lines(path))

    def append(self, entry: object) -> None:
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            if self._file.write(line) != len(line):
                raise OSError(f"{self.path} could not be written")

    def __iter__(self) -> Iterator[dict[str, object]]:
        with self.path.open("rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    yield json.loads(line)

    def close(self) -> None:
        self._file.close()


def replace_json(path: Path, document: object) -> None:
    """Write a whole file so that a kill leaves either the old one or the new one."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(document))
    fresh.replace(path)


def _whole_lines(path: Path) -> int:
    """Bytes up to and including the last newline."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        while end:
            start = max(0, end - 65_536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0

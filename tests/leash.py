"""Kills what a test run has started, should the run itself be killed.

    python -m tests.leash

A small program of its own reads process groups from its standard input, "+123" to hold one and
"-123" to let it go. The pipe ends with its writer, however that dies (SIGKILL too, on every
system): then every group still held is killed.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[1]


def hold(group: int) -> None:
    """Kill this process group when the present process ends, unless it is let go before."""
    _tell(f"+{group}\n")


def let_go(group: int) -> None:
    """The group was waited for, so its number may soon be another's."""
    _tell(f"-{group}\n")


def _tell(line: str) -> None:
    pipe = _guardian(os.getpid())
    pipe.write(line.encode())
    pipe.flush()


@cache
def _guardian(_owner: int) -> IO[bytes]:
    """The pipe to a guardian of our own; a fork of us needs another."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.leash"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is not for it
    )
    assert child.stdin
    _GUARDIANS.append(child)
    return child.stdin


_GUARDIANS: list["subprocess.Popen[bytes]"] = []
"""Never waited for: they end after us."""


def main(lines: Iterable[str]) -> None:
    held: set[int] = set()
    for line in lines:
        (held.add if line[0] == "+" else held.discard)(int(line[1:]))
    for group in held:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.stdin)

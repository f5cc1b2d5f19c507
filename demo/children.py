"""The programs that run beside us: started on a leash, watched, ended by their pid."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STEP_SECONDS = 0.05
LOOK_SECONDS = 0.2
GRACE_SECONDS = 30.0
LOG_LINES_SHOWN = 20


class StackError(Exception):
    """Why the service can't be run here, in words for the person at the terminal."""


class Child:
    """A running Python program; `log` is the file its output goes to, None the terminal."""

    def __init__(
        self, name: str, process: subprocess.Popen[bytes], log: Path | None = None
    ) -> None:
        self.name = name
        self.process = process
        self.log = log

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return once `ready()`; raises StackError if the child dies or `seconds` pass first."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None:
                raise StackError(self._story(f"ended with code {self.process.returncode}"))
            if time.monotonic() > deadline:
                raise StackError(self._story(f"was not ready within {seconds:g} seconds"))
            time.sleep(STEP_SECONDS)

    def wait_until_ended(self) -> int:
        """Return its exit code. Looks now and then, so that no signal to us is slept through."""
        while (code := self.process.poll()) is None:
            time.sleep(LOOK_SECONDS)
        return code

    def stop(self) -> None:
        """Ask it to end, wait, and kill its process group if it takes too long."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _story(self, end: str) -> str:
        if self.log is None:
            return f"The {self.name} {end}; its output stands above."
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
        return "\n".join([f"The {self.name} {end}. The end of {self.log}:", *lines])


@contextmanager
def running(
    name: str, arguments: Sequence[str], environ: Mapping[str, str], log: Path | None
) -> Iterator[Child]:
    """Run `python ARGUMENTS` in the project's folder until the block is left.

    It gets a session of its own, so that Ctrl-C reaches only us and we end things in order.
    """
    command = [sys.executable, "-m", "demo.leash", str(os.getpid()), sys.executable, *arguments]
    output = log.open("wb") if log else None
    try:
        process = subprocess.Popen(  # noqa: S603  (our own program)
            command,
            cwd=ROOT,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            start_new_session=True,
        )
    finally:
        if output:
            output.close()
    child = Child(name, process, log)
    try:
        yield child
    finally:
        child.stop()

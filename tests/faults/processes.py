"""Single processes of a service, by their ids."""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from tests.running import RunningService


def signalled(pids: Sequence[int], number: signal.Signals) -> None:
    """Send the signal to those that are still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def workers(service: RunningService) -> list[int]:
    """The process ids of a service's Gunicorn workers."""
    listed = subprocess.run(
        ["pgrep", "-P", str(service.process.child.pid)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in listed.stdout.split()]

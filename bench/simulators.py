"""The simulator of OpenAI in a process of its own: it must not share our interpreter."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from urllib.parse import urlsplit

LOOK_SECONDS = 0.05


@contextmanager
def simulator() -> Iterator[str]:
    """Its base URL; it answers at once, looks at no photo, and counts on nothing of ours."""
    command = [sys.executable, "-m", "openai_simulator", "--port", "0", "--batch-seconds", "0"]
    command += ["--no-fetch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            told = process.stdout.readline().split()
            if not told:
                raise RuntimeError("the simulator did not start")
            yield told[-1]
        finally:
            process.terminate()


def wait_until_idle(openai_url: str, deadline: float) -> None:
    """Until it has worked all its batches; TimeoutError when that takes longer."""
    connection = HTTPConnection(urlsplit(openai_url).netloc, timeout=60)
    while True:
        connection.request("GET", "/simulator")
        state = json.load(connection.getresponse())
        if set(state["batches"]) <= {"completed", "failed"}:
            break
        if time.monotonic() > deadline:
            raise TimeoutError(f"the simulator is still at work: {state['batches']}")
        time.sleep(LOOK_SECONDS)
    connection.close()

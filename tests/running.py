"""The service and the simulator as processes, the way users run them."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import leash
from tests.waiting import until

ROOT = Path(__file__).parents[1]
SHARED_KEY = "a-key-for-tests-of-32-characters-or-more"
BOOT_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Process:
    """A child with its output in `log`; every process of it is in one group of its own."""

    child: "subprocess.Popen[bytes]"
    log: Path

    def kill(self) -> None:
        """Kill -9 the whole group, as a power cut would."""
        if self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()
        leash.let_go(self.child.pid)

    def stop(self) -> int:
        self.child.terminate()
        code = self.child.wait(timeout=BOOT_SECONDS)
        leash.let_go(self.child.pid)
        return code

    def pause(self) -> None:
        """SIGSTOP the whole group, until `go_on`."""
        os.killpg(self.child.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.killpg(self.child.pid, signal.SIGCONT)

    def output(self) -> str:
        return self.log.read_text()


def spawn(arguments: list[str], environ: Mapping[str, str], log: Path) -> Process:
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    leash.hold(child.pid)
    return Process(child, log)


@dataclass
class RunningSimulator:
    """`again()` starts it anew at the same address, with what it had kept but without rules."""

    command: list[str]
    process: Process
    port: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def url(self) -> str:
        """Where it is looked at and steered."""
        return f"http://127.0.0.1:{self.port}/simulator"

    def told(self, path: str = "") -> Any:
        """What one of its documents says: "/rules", "/firings", "/requests" or its state."""
        return json.loads(get(self.url + path)[1])

    def ledger(self) -> list[dict[str, Any]]:
        """Every request line that was billed."""
        return [json.loads(line) for line in get(f"{self.url}/ledger")[1].splitlines()]

    def add_rule(self, **rule: object) -> None:
        post(f"{self.url}/rules", rule)

    def again(self) -> None:
        self.process.kill()
        self.process = spawn(self.command, {}, self.process.log)
        self.wait_until_up()

    def wait_until_up(self) -> None:
        until(lambda: answers(f"{self.url}/rules"), what="simulator is up")


@contextmanager
def simulator(folder: Path, *arguments: str) -> Iterator[RunningSimulator]:
    port = free_port()
    state = ["--port", str(port), "--state", str(folder / "openai")]
    command = ["-m", "openai_simulator", *state, *arguments]
    running = RunningSimulator(command, spawn(command, {}, folder / "simulator.log"), port)
    try:
        running.wait_until_up()
        yield running
    finally:
        running.process.kill()


@dataclass
class RunningService:
    """One service; `again()` starts it anew with the same settings and data."""

    environ: Mapping[str, str]
    folder: Path
    process: Process

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.environ['PORT']}"

    @property
    def shared_key(self) -> str:
        return self.environ["SHARED_KEY"]

    @property
    def simulator_url(self) -> str:
        return self.environ["OPENAI_BASE_URL"]

    def again(self) -> None:
        self.process.kill()
        self.process = spawn(_GUNICORN, self.environ, self.folder / "service.log")

    def wait_until_healthy(self) -> None:
        until(self.is_healthy, seconds=BOOT_SECONDS, what="service is healthy")

    def is_healthy(self) -> bool:
        assert self.process.child.poll() is None, self.process.output()
        return answers(f"{self.base_url}/health")


_GUNICORN = ["-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]


@contextmanager
def service(folder: Path, environ: Mapping[str, str]) -> Iterator[RunningService]:
    """Run the service; `environ` needs DATABASE_URL and OPENAI_BASE_URL."""
    complete = {
        "PORT": str(free_port()),
        "SHARED_KEY": SHARED_KEY,
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_POLL_SECONDS": "0.2",
        "BATCH_LINGER_SECONDS": "0",
        "DATA_DIR": str(folder / "data"),
        # Tests ask more often than clients may.
        "RATE_LIMIT_SYNC": "100000",
        "RATE_LIMIT_BATCH": "100000",
        "RATE_LIMIT_POLLING": "100000",
        "RATE_LIMIT_BAD_SIGNATURES": "100000",
        **environ,
    }
    running = RunningService(complete, folder, spawn(_GUNICORN, complete, folder / "service.log"))
    try:
        running.wait_until_healthy()
        yield running
    finally:
        running.process.kill()


def answers(url: str) -> bool:
    """Whether a GET gives 200."""
    try:
        return get(url)[0] == 200
    except OSError:
        return False


def get(url: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    return _send(urllib.request.Request(url, headers=dict(headers or {})))


def post(url: str, body: object, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    every = {"Content-Type": "application/json", **(headers or {})}
    return _send(urllib.request.Request(url, data=data, headers=every, method="POST"))


def delete(url: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    return _send(urllib.request.Request(url, headers=dict(headers or {}), method="DELETE"))


def _send(request: urllib.request.Request) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()

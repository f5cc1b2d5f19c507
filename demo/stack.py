"""The service with all it needs: its settings decided, the simulator and Gunicorn started."""

import fcntl
import http.client
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from config import Config, ConfigError
from demo import environment
from demo.children import Child, StackError, running

HEALTHY_SECONDS = 60.0
SIMULATOR_SECONDS = 20.0
SIMULATOR_FOLDER = "openai-simulator"
SIMULATED = """\
┌──────────────────────────────────────────────────────────────────────────────┐
│  NO OPENAI KEY: the texts are SIMULATED. They tell what the simulator sees   │
│  in a photo (size, format, colours), not what is broken on the vehicle.      │
│  Set OPENAI_API_KEY in .env or in the environment for real descriptions.     │
└──────────────────────────────────────────────────────────────────────────────┘"""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A healthy service; `shared_key` signs for the client `default`."""

    config: Config
    base_url: str
    service: Child

    @property
    def shared_key(self) -> str:
        return self.config.shared_key

    @property
    def data(self) -> str:
        """Where the data lies, in words; a database's password is left out."""
        if self.config.database_url is None:
            return f"{self.config.data_dir.resolve()} (embedded PostgreSQL)"
        return self.config.database_url.rpartition("@")[2]


@contextmanager
def started(environ: Mapping[str, str], *, log: Path | None) -> Iterator[Stack]:
    """Run the service until the block is left; its output goes to `log` or to the terminal.

    Raises StackError if it can't be started.
    """
    with ExitStack() as parts:
        directory = environment.data_dir(environ)
        directory.mkdir(parents=True, exist_ok=True)
        complete = environment.with_secrets(environ)
        simulated = environment.needs_simulator(environ)
        if simulated:
            parts.enter_context(_only_one(directory))
            complete = environment.with_simulator(complete, environment.free_port())
        config = _checked(complete)
        if simulated:
            parts.enter_context(_simulator(complete, directory))
            print(SIMULATED, flush=True)
        elif (directory / SIMULATOR_FOLDER).exists():
            print(f"Note: {directory} also holds simulated texts, each marked as simulated.")
        arguments = ["-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
        service = parts.enter_context(running("service", arguments, complete, log))
        address = _address(config)
        service.wait_until(lambda: _status(address, "/health") == http.client.OK, HEALTHY_SECONDS)
        yield Stack(config=config, base_url=f"http://{address}", service=service)


def _checked(environ: Mapping[str, str]) -> Config:
    try:
        config = Config.from_env(environ)
    except ConfigError as error:
        raise StackError(str(error)) from error
    if not environment.is_free(config.host, config.port):
        raise StackError(
            f"Port {config.port} on {config.host} is taken or not ours to take. "
            "Stop what listens there, or choose another: PORT=5001 make run"
        )
    return config


@contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    """Two simulators must not share a folder, nor answer for each other's jobs."""
    with (directory / "simulated.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(
                f"Another make run or make demo is using {directory}. "
                "Stop it, or give this one a folder of its own: DATA_DIR=.data/other"
            ) from error
        yield


@contextmanager
def _simulator(environ: Mapping[str, str], directory: Path) -> Iterator[None]:
    address = urlsplit(environ["OPENAI_BASE_URL"]).netloc
    port = address.rpartition(":")[2]
    state = (directory / SIMULATOR_FOLDER).resolve()
    arguments = ["-m", "openai_simulator", "--port", port, "--state", str(state)]
    log = directory / "openai-simulator.log"
    with running("OpenAI simulator", arguments, environ, log) as child:
        child.wait_until(lambda: _status(address, "/v1/models") is not None, SIMULATOR_SECONDS)
        yield


def _address(config: Config) -> str:
    """Where to reach a service that may listen on every interface."""
    host = "127.0.0.1" if config.host in {"0.0.0.0", "::"} else config.host  # noqa: S104
    return f"[{host}]:{config.port}" if ":" in host else f"{host}:{config.port}"


def _status(address: str, path: str) -> int | None:
    """What a GET answers, past any proxy; None while nothing answers."""
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()

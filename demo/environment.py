"""What the service is started with: the environment, .env, and what is missing made up safely."""

import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

from config import Config

Environ = dict[str, str]
KEY_FILE = "shared-key"
PASSWORD_FILE = "admin-password"  # noqa: S105 - its name
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_QUICKLY = {"OPENAI_POLL_SECONDS": "1", "BATCH_LINGER_SECONDS": "0"}


def read(environ: Mapping[str, str], env_file: Path) -> Environ:
    """The environment over what `env_file` sets."""
    written = {name: value for name, value in dotenv_values(env_file).items() if value is not None}
    complete = {**written, **environ}
    if not complete.get("WEB_CONCURRENCY"):  # Gunicorn reads it too, and dies of an empty one
        complete.pop("WEB_CONCURRENCY", None)
    return complete


def data_dir(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("DATA_DIR") or Config.data_dir)


def needs_simulator(environ: Mapping[str, str]) -> bool:
    """Only where no OpenAI at all is configured, so that a real key never meets the simulator."""
    return not environ.get("OPENAI_API_KEY") and not environ.get("OPENAI_BASE_URL")


def with_simulator(environ: Mapping[str, str], port: int) -> Environ:
    """Point the service at a simulator on this machine, past any proxy."""
    bypass = ",".join(filter(None, [environ.get("NO_PROXY"), "127.0.0.1"]))
    return {
        **quickly(environ),
        "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "NO_PROXY": bypass,
        "no_proxy": bypass,
    }


def quickly(environ: Mapping[str, str]) -> Environ:
    """Wait little for OpenAI batches, unless it is said how long: somebody is watching."""
    return {**environ, **{name: environ.get(name) or text for name, text in _QUICKLY.items()}}


def with_secrets(environ: Mapping[str, str]) -> Environ:
    """Use the key and the password that are set, else those kept in DATA_DIR."""
    return {
        **environ,
        "SHARED_KEY": environ.get("SHARED_KEY") or _kept(data_dir(environ) / KEY_FILE, 32),
        "ADMIN_PASSWORD": environ.get("ADMIN_PASSWORD")
        or _kept(data_dir(environ) / PASSWORD_FILE, 12),
    }


def _kept(file: Path, size: int) -> str:
    """What the file holds; it is made, of so many random bytes, at the first start."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as target:
            target.write(secrets.token_urlsafe(size))
    return file.read_text()


def refusal_of_demo(environ: Mapping[str, str]) -> str | None:
    """Why the demo must not run: a real OpenAI would be paid for photos that it can't fetch."""
    if needs_simulator(environ):
        return None
    if urlsplit(environ.get("OPENAI_BASE_URL", "")).hostname in LOOPBACK:
        return None
    return (
        "The demo's photos are served by this machine alone, and OpenAI could not fetch them. "
        "Nothing was sent and nothing was paid.\n"
        "Run the demo with the simulator:  OPENAI_API_KEY= OPENAI_BASE_URL= "
        "DATA_DIR=.data/demo make demo\n"
        "or the service with your key:     make run"
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def is_free(host: str, port: int) -> bool:
    """Whether a server may listen there; connections of an earlier one don't count."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family):
            return True
    except OSError:
        return False

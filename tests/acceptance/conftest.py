"""The running service: its own database, the simulator, photos and a webhook receiver."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import running
from tests.photos import photo_replies
from tests.servers import LoopbackServer


@pytest.fixture(scope="module")
def photos() -> Iterator[LoopbackServer]:
    """Sample photos under /1.jpg, /2.png, /3.webp and more; everything else is a 404."""
    with LoopbackServer(photo_replies()) as server:
        yield server


@pytest.fixture(scope="module")
def receiver() -> Iterator[LoopbackServer]:
    """A webhook receiver: set `replies` to choose its answers."""
    with LoopbackServer() as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def simulator(folder: Path) -> Iterator[running.RunningSimulator]:
    with running.simulator(folder, "--batch-seconds", "0") as process:
        yield process


@pytest.fixture(scope="module")
def service(
    folder: Path,
    database_url: str,
    simulator: running.RunningSimulator,
    photos: LoopbackServer,
    receiver: LoopbackServer,
) -> Iterator[running.RunningService]:
    environ = {
        "DATABASE_URL": database_url,
        "OPENAI_BASE_URL": simulator.base_url,
        "ALLOWED_PRIVATE_HOSTS": f"127.0.0.1:{photos.port},127.0.0.1:{receiver.port}",
        "WEBHOOK_RETRY_SECONDS": "0,0.5,0.5,0.5,0.5",
    }
    with running.service(folder, environ) as started:
        yield started

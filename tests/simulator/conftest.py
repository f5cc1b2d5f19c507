"""The simulator without delays, its files in a temporary folder, and the SDK talking to it."""

from collections.abc import Iterator

import pytest
from openai import OpenAI

from openai_simulator.server import Simulator
from tests.simulator.client import sdk


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Fetches photos; batches and cancelling take no time."""
    with Simulator(batch_seconds=0, cancel_seconds=0) as simulator:
        yield simulator


@pytest.fixture
def client(simulator: Simulator) -> Iterator[OpenAI]:
    with sdk(simulator) as client:
        yield client

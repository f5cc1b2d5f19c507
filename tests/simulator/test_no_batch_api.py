"""A server for chat alone: no files, no batches, everything else."""

import httpx2
import pytest

from openai_simulator.server import Simulator
from openai_simulator.settings import from_arguments
from tests.simulator.asking import chat
from tests.simulator.client import sdk

KEY = {"Authorization": "Bearer sk-x"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/batches"),
        ("POST", "/batches"),
        ("GET", "/batches/batch_1"),
        ("POST", "/batches/batch_1/cancel"),
        ("GET", "/files"),
        ("POST", "/files"),
        ("DELETE", "/files/file-1"),
        ("GET", "/files/file-1/content"),
    ],
)
def test_paths_of_the_batch_api_are_unknown_as_at_vllm(method: str, path: str) -> None:
    with Simulator(batch_api=False) as simulator:
        answer = httpx2.request(method, f"{simulator.base_url}{path}", headers=KEY)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


def test_chat_and_models_are_answered_as_ever() -> None:
    with Simulator(batch_api=False) as simulator, sdk(simulator) as client:
        assert client.chat.completions.create(**chat()).choices[0].message.content
        assert client.models.list().data


def test_it_is_an_option_of_the_command_line() -> None:
    assert from_arguments(["--port", "9"], {}).batch_api
    assert not from_arguments(["--port", "9", "--no-batch-api"], {}).batch_api

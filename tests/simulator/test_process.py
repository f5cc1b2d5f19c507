"""The command line."""

import subprocess
import sys

import pytest

from openai_simulator.settings import from_arguments


def test_batch_seconds_come_from_the_environment_unless_given() -> None:
    environment = {"SIMULATOR_BATCH_SECONDS": "7.5"}
    assert from_arguments(["--port", "1"], environment).batch_seconds == 7.5
    assert from_arguments(["--port", "1", "--batch-seconds", "0"], environment).batch_seconds == 0
    assert from_arguments(["--port", "1"], {}).batch_seconds == 3


def test_every_option_reaches_the_settings() -> None:
    arguments = "--port 9 --no-fetch --seed 5 --enqueued-tokens a:b:7 --enqueued-tokens c:8"
    rules = '[{"on":"chat","do":"slow"}]'
    settings = from_arguments([*arguments.split(), "--rules", rules], {})
    assert (settings.port, settings.fetch, settings.seed) == (9, False, 5)
    assert settings.enqueued_tokens == {"a:b": 7, "c": 8}
    assert settings.rules == [{"on": "chat", "do": "slow"}]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rules", '[{"on":"chat","do":"dance"}]'], "unknown action"),
        (["--rules", "["], "invalid loads value"),
        (["--enqueued-tokens", "gpt"], "write MODEL:INT"),
        (["--enqueued-tokens", "gpt:many"], "invalid"),
    ],
)
def test_a_faulty_command_line_is_refused(options: list[str], said: str) -> None:
    command = [sys.executable, "-m", "openai_simulator", "--port", "0", *options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert said in ended.stderr

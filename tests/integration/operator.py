"""The operator's commands on a world of stages, with what they print."""

import json
from collections.abc import Mapping
from typing import Any

from click.testing import Result
from flask import Flask
from structlog.testing import capture_logs

from generation_service.cli import commands
from tests.faults import invariants
from tests.faults.snapshot import take
from tests.integration.stages import Stages


def run(world: Stages, *arguments: str) -> Result:
    """Run one command in this process, which keeps its logs as they are."""
    app = Flask("generation_service")
    commands.register(app, world.resources, quiet=lambda: None)
    with capture_logs():
        return app.test_cli_runner().invoke(args=arguments)


def done(world: Stages, *arguments: str) -> str:
    """What a command that must succeed prints; afterwards the books must balance."""
    result = run(world, *arguments)
    assert result.exit_code == 0, result.output
    assert invariants.at_each_look(take(world.resources.engine)) == []
    return result.stdout


def read(world: Stages, *arguments: str) -> Any:
    """The same, as the JSON it prints."""
    return json.loads(done(world, *arguments, "--json"))


def refused(world: Stages, *arguments: str) -> str:
    """The sentence of a command that must fail, and change nothing."""
    before = take(world.resources.engine)
    result = run(world, *arguments)
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    assert take(world.resources.engine) == before
    return result.stderr.strip()


def batches(world: Stages) -> list[Mapping[str, Any]]:
    """The rows of OpenAI batches, oldest first."""
    return world.rows("SELECT * FROM openai_batches ORDER BY created_at")


def newest(world: Stages) -> Mapping[str, Any]:
    """The row of the OpenAI batch that was packed last."""
    return batches(world)[-1]

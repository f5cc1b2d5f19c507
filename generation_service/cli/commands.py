"""`flask --app wsgi jobs …` and `openai …`: the operator's commands, beside a running service.

They change rows, and ask OpenAI; the stages of the service go on from there. Errors end with exit
code 1 and one sentence on stderr, wrong usage with 2.
"""

from collections.abc import Callable
from typing import Any

import click
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from generation_service.cli import job_commands, openai_commands
from generation_service.clients.openai_api import OpenAICallError
from generation_service.core.errors import ServiceError
from generation_service.pipeline.reingest import RescueError
from generation_service.pipeline.resources import Resources


def register(app: Flask, resources: Resources, quiet: Callable[[], None]) -> None:
    """Add the commands; `quiet` is called before one runs, to keep logs out of its output."""
    app.cli.add_command(
        _Commands(
            "jobs",
            quiet,
            commands=job_commands.commands(resources),
            help="Look at jobs, retry, cancel and rescue them.",
        )
    )
    app.cli.add_command(
        _Commands(
            "openai",
            quiet,
            commands=openai_commands.commands(resources),
            help="Compare OpenAI's batches and files with ours.",
        )
    )


class _Commands(click.Group):
    def __init__(self, name: str, quiet: Callable[[], None], **options: Any) -> None:
        super().__init__(name, **options)
        self._quiet = quiet

    def invoke(self, ctx: click.Context) -> Any:
        self._quiet()
        try:
            return super().invoke(ctx)
        except ServiceError as error:
            raise click.ClickException(error.message) from error
        except RescueError as error:
            raise click.ClickException(str(error)) from error
        except OpenAICallError as error:
            raise click.ClickException(f"OpenAI gave no answer that helps: {error}") from error
        except SQLAlchemyError as error:
            reason = str(error).splitlines()[0]
            raise click.ClickException(f"The database can't be used: {reason}") from error

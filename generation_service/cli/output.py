"""What the commands print: tables and sentences for people, JSON for machines."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

MAX_CELL_CHARS = 200
Row = Sequence[object]

as_json: Callable[[Any], Any] = click.option(
    "--json", "machine", is_flag=True, help="Print JSON instead."
)


def say(text: str) -> None:
    click.echo(text)


def print_json(document: object) -> None:
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def print_table(headings: Sequence[str], rows: Iterable[Row]) -> None:
    """Columns as wide as their widest cell; None is a dash."""
    cells = [list(headings), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def _cell(value: object) -> str:
    """One line of it: whatever a stranger wrote must not steer the terminal."""
    text = "-" if value is None else str(value)[:MAX_CELL_CHARS]
    return "".join(char if char.isprintable() else " " for char in text)


def count(number: int, noun: str) -> str:
    """`1 lot`, `2 lots`, `3 batches`."""
    plural = f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"

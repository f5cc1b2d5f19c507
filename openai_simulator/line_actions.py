"""Misbehaviour of a batch's output and error files, line by line."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from openai_simulator.actions import Action

Line = dict[str, Any]
Write = Callable[[Line], list[bytes]]


def encode(line: Line) -> bytes:
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def missing(_line: Line) -> list[bytes]:
    return []


def duplicate(line: Line) -> list[bytes]:
    return [encode(line)] * 2


def malformed(line: Line) -> list[bytes]:
    return [b'{"id": "batch_req_' + encode(line)[:40].replace(b"\n", b"") + b"\n"]


def truncated(line: Line) -> list[bytes]:
    """Half a line; the writer puts what has no line end at the end of the file."""
    whole = encode(line)
    return [whole[: len(whole) // 2]]


def unknown_custom_id(line: Line) -> list[bytes]:
    return [encode(line | {"custom_id": f"unknown-{line['custom_id']}"})]


def body_as_string(line: Line) -> list[bytes]:
    response = line["response"] or {}
    return [encode(line | {"response": response | {"body": json.dumps(response.get("body"))}})]


_LINE: Final = frozenset({"line"})
LINES: Final[Mapping[str, Action[Write]]] = {
    "missing": Action(_LINE, missing),
    "duplicate": Action(_LINE, duplicate),
    "malformed": Action(_LINE, malformed),
    "truncated": Action(_LINE, truncated),
    "unknown_custom_id": Action(_LINE, unknown_custom_id),
    "body_as_string": Action(_LINE, body_as_string),
}


def written(line: Line, do: str | None) -> list[bytes]:
    """The line as it gets into the file; `do` names what goes wrong with it, if anything."""
    return LINES[do].effect(line) if do else [encode(line)]

"""JSON schemas of the OpenAPI document in words, one row for each member."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from generation_service.api.openapi import document

Node = dict[str, Any]
_FORMATS: Final = {
    "date-time": "time in UTC",
    "language-tag": "BCP 47 tag",
    "uri": "URL",
    "uuid": "UUID",
}
_LEAST: Final = ("minimum", "minItems", "minLength", "minProperties")
_MOST: Final = ("maximum", "maxItems", "maxLength", "maxProperties")
_UNITS: Final = {"string": " characters", "object": " members"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A member of a JSON object, a parameter or a header; `name` is a path such as lots[].lot_id.

    `kind` says in words what it may be; `text` may hold `code` in backquotes.
    """

    name: str
    kind: str
    required: bool
    text: str
    where: str = ""
    example: str = ""


def resolved(node: Node) -> Node:
    """The node that is referred to, with what stands beside the reference laid over it."""
    if "$ref" not in node:
        return node
    found: Any = document()
    for step in node["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return resolved(found) | {key: value for key, value in node.items() if key != "$ref"}


def fields(schema: Node) -> list[Field]:
    """The members of an object, with those of the objects in it."""
    return list(_rows(resolved(schema), ""))


def kind(schema: Node) -> str:
    """What a value may be: "list of string, 1 to 200"."""
    if "anyOf" in schema:
        return " or ".join(kind(resolved(each)) for each in schema["anyOf"])
    if "const" in schema:
        return _choice(schema["const"])
    if "enum" in schema:
        return " | ".join(_choice(each) for each in schema["enum"])
    types = schema.get("type", "any value")
    name = types if isinstance(types, str) else types[0]
    null = "" if isinstance(types, str) or "null" not in types else " or null"
    if "items" in schema:
        return f"list of {kind(resolved(schema['items']))}{_span(schema, '')}{null}"
    if "additionalProperties" in schema:
        name = f"object of {kind(resolved(schema['additionalProperties']))}"
    word = _FORMATS.get(schema.get("format", ""), name)
    return word + _span(schema, _UNITS.get(name.partition(" ")[0], "")) + null


def _rows(schema: Node, prefix: str) -> Iterator[Field]:
    required = schema.get("required", ())
    for name, each in schema.get("properties", {}).items():
        member = resolved(each)
        yield Field(
            name=prefix + name,
            kind=kind(member),
            required=name in required,
            text=member.get("description", ""),
        )
        inner, marks = _innermost(member)
        yield from _rows(inner, f"{prefix}{name}{marks}.")


def _innermost(schema: Node) -> tuple[Node, str]:
    """What a list's items are, with a [] for each level."""
    marks = ""
    while "items" in schema:
        schema, marks = resolved(schema["items"]), marks + "[]"
    return schema, marks


def _choice(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _span(schema: Node, unit: str) -> str:
    low = next((schema[name] for name in _LEAST if name in schema), None)
    high = next((schema[name] for name in _MOST if name in schema), None)
    if high is None:
        return "" if low is None or (low, unit) == (0, "") else f", at least {low:,}{unit}"
    return f", at most {high:,}{unit}" if low is None else f", {low:,} to {high:,}{unit}"

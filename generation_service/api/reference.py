"""The OpenAPI document as its page shows it (docs/api.md §9): plain values for a template.

References are followed, schemas become rows of fields, and errors, which all have one shape,
become tables of codes; so the template decides nothing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Final

from generation_service.api.openapi import COMMON_HEADERS, document
from generation_service.api.schema_words import Field, Node, fields, kind, resolved
from generation_service.core.errors import ERRORS

_ERROR_SCHEMA: Final = "#/components/schemas/Error"


@dataclass(frozen=True, slots=True)
class Example:
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered with one status: `codes` of errors with their meanings, or `fields`."""

    status: str
    phrase: str
    text: str
    codes: Sequence[tuple[str, str]]
    headers: Sequence[Field]
    fields: Sequence[Field]
    examples: Sequence[Example]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    id: str
    method: str
    path: str
    summary: str
    text: str
    signing: str
    parameters: Sequence[Field]
    body: Sequence[Field]
    body_examples: Sequence[Example]
    answers: Sequence[Answer]


@dataclass(frozen=True, slots=True)
class Section:
    name: str
    text: str
    operations: Sequence[Operation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    title: str
    version: str
    summary: str
    text: str
    signing: Mapping[str, str]
    """Name of a scheme -> how it signs."""
    everywhere: Sequence[Field]
    """Headers that every answer may have."""
    error_fields: Sequence[Field]
    errors: Sequence[tuple[str, int, str]]
    sections: Sequence[Section]
    webhooks: Sequence[Operation]


@cache
def reference() -> Reference:
    """Everything on the page."""
    whole = document()
    info = whole["info"]
    schemes = whole["components"]["securitySchemes"]
    return Reference(
        title=info["title"],
        version=info["version"],
        summary=info["summary"],
        text=info["description"],
        signing={name: scheme["description"] for name, scheme in schemes.items()},
        everywhere=[_field(*header) for header in _common_headers()],
        error_fields=fields({"$ref": _ERROR_SCHEMA}),
        errors=[(code, error.http_status, error.meaning) for code, error in ERRORS.items()],
        sections=[
            Section(tag["name"], tag["description"], list(_operations(whole["paths"], tag["name"])))
            for tag in whole["tags"]
        ],
        webhooks=list(_operations(whole.get("webhooks", {}), None)),
    )


def _common_headers() -> Iterator[tuple[str, Node]]:
    for name, component in COMMON_HEADERS.items():
        yield name, {"$ref": f"#/components/headers/{component}"}


def _operations(paths: Node, tag: str | None) -> Iterator[Operation]:
    for path, methods in paths.items():
        for method, described in methods.items():
            if tag is None or tag in described["tags"]:
                yield _operation(path, method, described)


def _operation(path: str, method: str, described: Node) -> Operation:
    content = _json(described.get("requestBody", {}))
    return Operation(
        id=described["operationId"],
        method=method.upper(),
        path=path,
        summary=described["summary"],
        text=described.get("description", ""),
        signing=_signing(described.get("security")),
        parameters=[_parameter(each) for each in described.get("parameters", ())],
        body=fields(content.get("schema", {})),
        body_examples=_examples(content),
        answers=[_answer(*each) for each in sorted(described["responses"].items())],
    )


def _signing(security: Sequence[Node] | None) -> str:
    if security is None:
        return "signature"
    names = [name for each in security for name in each]
    return names[0] if names else ""


def _parameter(described: Node) -> Field:
    parameter = resolved(described)
    return _field(parameter["name"], parameter, where=parameter["in"])


def _field(name: str, described: Node, *, where: str = "") -> Field:
    node = resolved(described)
    schema = resolved(node["schema"])
    return Field(
        name=name,
        kind=kind(schema),
        required=node.get("required", False),
        text=node.get("description") or schema.get("description", ""),
        where=where,
        example=str(node.get("example", "")),
    )


def _answer(status: str, described: Node) -> Answer:
    response = resolved(described)
    content = _json(response)
    is_error = content.get("schema", {}).get("$ref") == _ERROR_SCHEMA
    return Answer(
        status=status,
        phrase=HTTPStatus(int(status)).phrase if status.isdecimal() else "any other",
        text="" if is_error else response["description"],
        codes=[(code, ERRORS[code].meaning) for code in content["examples"]] if is_error else (),
        headers=[
            _field(name, header)
            for name, header in response.get("headers", {}).items()
            if name not in COMMON_HEADERS
        ],
        fields=() if is_error else fields(content.get("schema", {})),
        examples=_examples(content),
    )


def _json(described: Node) -> Node:
    content: Node = described.get("content", {}).get("application/json", {})
    return content


def _examples(content: Node) -> list[Example]:
    found = [Example("Example", _pretty(content["example"]))] if "example" in content else []
    for name, each in content.get("examples", {}).items():
        example = resolved(each)
        found.append(Example(example.get("summary", name), _pretty(example["value"])))
    return found


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)

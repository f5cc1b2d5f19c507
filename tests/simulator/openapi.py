"""OpenAI's official description as a judge of what is sent to it and what it answers.

`validate_request` and `validate_response` raise `jsonschema.ValidationError`; they serve every
test that talks to the simulator, or reads what the service would send.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, validators
from referencing import Registry
from referencing.jsonschema import DRAFT202012

SOURCE = Path(__file__).parents[1] / "openai" / "openapi-subset.yaml"
URI = "urn:openai"


def validate_request(path: str, method: str, body: object) -> None:
    """`path` as on the wire ("/v1/batches"); a form's fields are given as an object."""
    content = _operation(path, method)["requestBody"]["content"]
    _validate(next(iter(content.values()))["schema"], body)


def validate_response(path: str, method: str, status: int, body: object) -> None:
    """Anything but a 200 must have OpenAI's error shape."""
    if status != 200:
        validate_schema("ErrorResponse", body)
        return
    content = _operation(path, method)["responses"]["200"]["content"]
    _validate(content["application/json"]["schema"], body)


def validate_schema(name: str, value: object) -> None:
    _validate({"$ref": f"#/components/schemas/{name}"}, value)


def validate_output_line(line: Mapping[str, Any], endpoint: str) -> None:
    """A line of an output or error file, with the answer in it."""
    validate_schema("BatchRequestOutput", line)
    response = line["response"]
    if response is None:
        assert line["error"]["code"]
    else:
        validate_response(endpoint, "POST", response["status_code"], response["body"])


@cache
def _description() -> dict[str, Any]:
    description: dict[str, Any] = yaml.load(SOURCE.read_text(), Loader=yaml.CSafeLoader)
    return description


def _operation(path: str, method: str) -> dict[str, Any]:
    short = path.removeprefix("/v1")
    for template, operations in _description()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), short):
            operation: dict[str, Any] = operations[method.lower()]
            return operation
    raise LookupError(f"{method} {path} is not described")


@cache
def _registry() -> Registry[Any]:
    resource = DRAFT202012.create_resource(_description())
    registry: Registry[Any] = Registry().with_resource(URI, resource)
    return registry


def _is_string_or_bytes(_checker: object, value: object) -> bool:
    return isinstance(value, str | bytes)


_Validator = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("string", _is_string_or_bytes),
)


def _validate(schema: Mapping[str, Any], value: object) -> None:
    absolute = {"$ref": f"{URI}{schema['$ref']}"} if "$ref" in schema else dict(schema)
    _Validator(absolute, registry=_registry()).validate(value)

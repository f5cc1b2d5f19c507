"""GET /openapi.json: the API for programs, as docs/api.md is for people.

What is said of each operation stands in two YAML files beside this module. Completed here is what
follows from the code: an operation lists the codes of its errors (`x-errors`), and their responses
with meanings and examples come from the table of errors; so do the headers that all answers carry.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import yaml
from flask import Blueprint, Response

from generation_service.api import errors
from generation_service.api.responses import json_response
from generation_service.core.errors import ERRORS, ServiceError

Node = dict[str, Any]

_FOLDER: Final = Path(__file__).parent
_EVERYWHERE: Final = ("internal_error",)
# A signature may cover a body, so any signed request can fail by its body.
_WHERE_SIGNED: Final = (
    *("invalid_json", "request_timeout", "request_too_large", "busy"),
    *("rate_limited", "database_unavailable"),
    *_EVERYWHERE,
)
_WHERE_READ: Final = ("unsupported_media_type",)
COMMON_HEADERS: Final = {
    "X-Request-Id": "RequestId",
    "Cache-Control": "CacheControl",
    "Content-Encoding": "ContentEncoding",
    "Vary": "Vary",
    **{f"RateLimit-{field}": f"RateLimit{field}" for field in ("Limit", "Remaining", "Reset")},
}
"""The headers that answers of every kind have, with their names among the components."""

_JSON: Final = "application/json"
# What an error of this code has besides its message, as it looks in an example.
_FURTHER_FIELDS: Final[Mapping[str, Node]] = {
    "too_many_unreachable_images": {"unreachable_urls": ["https://example.com/car2.jpg"]},
    "job_not_cancellable": {"status": "completed"},
    "job_not_retryable": {"status": "cancelled"},
    "job_not_ended": {"status": "processing"},
}
_FAULTS: Final = {
    "invalid_request": [("lots[3].images[0].url", "Must be an http or https URL.")],
    "unknown_language": [("languages[1]", "Unknown language: 'xx-YY'.")],
}
_ERROR_HEADERS: Final = {
    401: ("WWW-Authenticate", "Authenticate"),
    409: ("Retry-After", "RetryAfter"),
    415: ("Accept-Encoding", "AcceptEncoding"),
    429: ("Retry-After", "RetryAfter"),
    503: ("Retry-After", "RetryAfter"),
}
_COUNTED: Final = ("401", "429")
"""Answers that tell of a limit even where nothing is signed: whoever fails to prove himself."""


def blueprint() -> Blueprint:
    routes = Blueprint("openapi", __name__)

    @routes.get("/openapi.json")
    def openapi() -> Response:
        return json_response(document())

    return routes


@cache
def document() -> Node:
    """The whole OpenAPI 3.1 document; shared, so don't change it."""
    described = _read("openapi.yaml")
    described["components"] = _read("openapi_components.yaml")
    for operation in operations(described):
        _complete(operation)
    for response in described["components"]["responses"].values():
        _add_headers(response, counted=True)
    return described


def operations(described: Node) -> Iterator[Node]:
    for path in described["paths"].values():
        yield from path.values()


def _read(name: str) -> Node:
    content: Node = yaml.safe_load((_FOLDER / name).read_text(encoding="utf-8"))
    return content


def _complete(operation: Node) -> None:
    signed = operation.get("security") != []
    codes = [*operation.pop("x-errors"), *(_WHERE_SIGNED if signed else _EVERYWHERE)]
    codes += _WHERE_READ if "requestBody" in operation else ()
    request_id = {"$ref": "#/components/parameters/requestId"}
    operation["parameters"] = [*operation.get("parameters", ()), request_id]
    for status, same in groupby(sorted(codes, key=_status), key=_status):
        operation["responses"].setdefault(str(status), _error_response(status, list(same)))
    for status, response in operation["responses"].items():
        if "$ref" not in response:
            _add_headers(response, counted=signed or status in _COUNTED)


def _status(code: str) -> int:
    return ERRORS[code].http_status


def _error_response(status: int, codes: Sequence[str]) -> Node:
    response: Node = {
        "description": "\n".join(f"- `{code}`: {ERRORS[code].meaning}" for code in codes),
        "content": {_JSON: _error_content(codes)},
    }
    if status in _ERROR_HEADERS:
        name, header = _ERROR_HEADERS[status]
        response["headers"] = {name: {"$ref": f"#/components/headers/{header}"}}
    return response


def _error_content(codes: Sequence[str]) -> Node:
    examples = {code: errors.document(_example(code)) for code in codes}
    allowed = [example["error"] for example in examples.values()]
    return {
        "schema": {
            "$ref": "#/components/schemas/Error",
            "properties": {"error": {"enum": allowed}},
        },
        "examples": {code: {"value": example} for code, example in examples.items()},
    }


def _example(code: str) -> ServiceError:
    return ServiceError(
        code,
        ERRORS[code].meaning,
        details=_FAULTS.get(code, ()),
        extra=_FURTHER_FIELDS.get(code),
    )


def _add_headers(response: Node, *, counted: bool) -> None:
    headers = response.setdefault("headers", {})
    for name, component in COMMON_HEADERS.items():
        of_limit = name.startswith("RateLimit")
        json = _JSON in response.get("content", {})
        if name == "X-Request-Id" or (counted if of_limit else json):
            headers[name] = {"$ref": f"#/components/headers/{component}"}

"""The real SDK against the simulator, every exchange of it judged by OpenAI's description."""

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2
from openai import DefaultHttpxClient, OpenAI
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from openai_simulator.server import Simulator
from tests.simulator.openapi import validate_request, validate_response


@contextmanager
def sdk(simulator: Simulator, **options: Any) -> Iterator[OpenAI]:
    http = DefaultHttpxClient(event_hooks={"response": [judge]})
    settings = {"api_key": "sk-test", "max_retries": 0, "timeout": 20, **options}
    with http, OpenAI(base_url=simulator.base_url, http_client=http, **settings) as client:
        yield client


def judge(response: httpx2.Response) -> None:
    """What was accepted must be a described request, and every answer a described response."""
    request, path = response.request, response.request.url.path
    response.read()
    if response.status_code == 200 and request.method == "POST" and request.read():
        validate_request(path, "POST", _sent(request))
    is_file = path.endswith("/content") and response.status_code == 200
    body = response.text if is_file else response.json()
    validate_response(path, request.method, response.status_code, body)


def _sent(request: httpx2.Request) -> object:
    kind, options = parse_options_header(request.headers["content-type"])
    if kind == "application/json":
        return json.loads(request.content)
    parser = FormDataParser(stream_factory=_in_memory)
    _, fields, files = parser.parse(io.BytesIO(request.content), kind, None, options)
    return _nested(fields) | {name: file.read() for name, file in files.items()}


def _in_memory(*_args: object, **_options: object) -> io.BytesIO:
    return io.BytesIO()


def _nested(fields: Mapping[str, str]) -> dict[str, object]:
    """`expires_after[seconds]=3600` as the object the description speaks of."""
    nested: dict[str, Any] = {}
    for name, value in fields.items():
        outer, _, inner = name.partition("[")
        if inner:
            whole = int(value) if value.isdigit() else value
            nested.setdefault(outer, {})[inner.removesuffix("]")] = whole
        else:
            nested[outer] = value
    return nested

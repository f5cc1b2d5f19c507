"""What schemathesis is told of this API; it loads the module that SCHEMATHESIS_HOOKS names."""

import json
import os
from http import HTTPStatus
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis import HookContext
from schemathesis.core.transport import Response

from tests.fuzz.sender import Known, Sender

TAGS = ["en", "ru", "de", "pt-BR", "zh-Hant", "sr-Latn", "EN", "en-GB", "iw", "xx-unknown", ""]
URLS = ["http://photos.example/1.jpg", "https://photos.example/%2e?q=1#f", "HTTP://photos.example"]
REQUESTS = ("GenerationRequest", "Lot", "ValidationRequest")

_sender = Sender(
    key=os.environ["FUZZ_KEY"],
    photo_url=os.environ["FUZZ_PHOTO_URL"],
    webhook_url=os.environ["FUZZ_WEBHOOK_URL"],
    known=Known(json.loads(os.environ.get("FUZZ_IDS", "{}"))),
)

schemathesis.openapi.format("language-tag", st.sampled_from(TAGS))
schemathesis.openapi.format("uri", st.sampled_from(URLS))


@schemathesis.hook
def before_load_schema(_context: HookContext, raw_schema: dict[str, Any]) -> None:
    """Take every answer by its word: a field that is not described is a fault."""
    for name, schema in raw_schema["components"]["schemas"].items():
        if name not in REQUESTS:
            _close(schema)


@schemathesis.hook
def filter_query(_context: HookContext, query: dict[str, Any] | None) -> bool:
    """Leave out an empty list: it isn't sent at all, so nobody could refuse it."""
    return all(value not in ([], {}) for value in (query or {}).values())


@schemathesis.hook
def before_call(_context: HookContext, _case: Any, kwargs: dict[str, Any]) -> None:
    kwargs["auth"] = _sender


@schemathesis.hook
def after_call(_context: HookContext, _case: Any, response: Response) -> None:
    if response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
        return
    _sender.succeeded(response.request)
    is_json = response.headers.get("content-type", [""])[0] == "application/json"
    if is_json and response.content:
        _sender.known.learn(str(response.request.path_url), response.json())


def _close(schema: Any) -> None:
    if isinstance(schema, dict):
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for child in schema.values():
            _close(child)

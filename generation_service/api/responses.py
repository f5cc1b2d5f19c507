"""How every answer leaves: JSON, gzip, X-Request-Id, one line in the log."""

import gzip
import json
import random
import re
import time
from collections.abc import Mapping
from typing import Final

import structlog
from flask import Flask, Request, Response, g, request
from flask.globals import request_ctx
from structlog.contextvars import bind_contextvars, clear_contextvars

from generation_service.api.slow_peers import BODY_READ, client_socket, discard_body
from generation_service.telemetry import metrics

REQUEST_ID_HEADER: Final = "X-Request-Id"
GZIP_LEVEL: Final = 5

_FREQUENT: Final = ("/health", "/metrics")
_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_SANE_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_GZIP_FROM_BYTES: Final = 1024  # below this, packing saves less than a TCP segment

log = structlog.get_logger(__name__)


def install(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_finish)


def render(document: object) -> bytes:
    """The bytes of a JSON document: UTF-8, no spaces."""
    return _JSON.encode(document).encode()


def json_response(
    document: Mapping[str, object], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(render(document), status, headers, mimetype="application/json")


def accepts_gzip() -> bool:
    accepted = request.headers.get("Accept-Encoding")  # few clients of an API name any
    return bool(accepted) and request.accept_encodings.quality("gzip") > 0


def _begin() -> None:
    sent = request.headers.get(REQUEST_ID_HEADER, "")
    g.request_id = sent if _SANE_REQUEST_ID.fullmatch(sent) else _new_id()
    g.started = time.monotonic()
    clear_contextvars()
    bind_contextvars(request_id=g.request_id)


def _new_id() -> str:
    """32 hex digits: no secret, and the kernel's are asked for without Python's lock."""
    return f"{random.getrandbits(128):032x}"


def _finish(response: Response) -> Response:
    asked = request_ctx.request  # `request` looks this up each time it is used
    response.headers.add(REQUEST_ID_HEADER, g.request_id)
    if response.mimetype == "application/json":
        response.headers.setdefault("Cache-Control", "no-store")
        _pack(response)
    _log(asked, response)
    _refuse_rest(asked, response)
    return response


def _refuse_rest(asked: Request, response: Response) -> None:
    """Take no more of a body that nobody has read, but for what comes at once.

    Gunicorn would receive the rest of it for as long as it drips, in a thread that is then missing.
    """
    chunked = "chunked" in asked.headers.get("Transfer-Encoding", "").lower()
    if (asked.content_length or chunked) and not asked.environ.get(BODY_READ):
        response.headers["Connection"] = "close"
        body, connection = asked.environ["wsgi.input"], client_socket(asked)
        response.call_on_close(lambda: discard_body(body, connection))


def _pack(response: Response) -> None:
    if "Vary" in response.headers:
        response.vary.add("Accept-Encoding")
    else:
        response.headers.add("Vary", "Accept-Encoding")
    if response.is_streamed or not accepts_gzip():
        return
    plain = response.get_data()
    if len(plain) >= _GZIP_FROM_BYTES:
        response.set_data(gzip.compress(plain, GZIP_LEVEL, mtime=0))
        response.headers["Content-Encoding"] = "gzip"


def _log(asked: Request, response: Response) -> None:
    seconds = time.monotonic() - g.started
    # By its template: strangers can think of any number of paths.
    route = "unknown" if asked.url_rule is None else asked.url_rule.rule
    metrics.http_answered(asked.method, route, response.status_code, seconds)
    # These come every second or so and would drown everything else.
    write = log.debug if route.startswith(_FREQUENT) else log.info
    write(
        "request",
        method=asked.method,
        path=asked.path,
        route=route,
        status=response.status_code,
        duration_ms=round(seconds * 1000),
        bytes=None if response.is_streamed else response.content_length,
    )

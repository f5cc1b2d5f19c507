"""Gunicorn's worker of threads, which refuses what is hardly HTTP in the shape of every error.

Such requests never reach the app: Gunicorn itself would answer them with a page of HTML.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import structlog
from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.http.errors import (  # type: ignore[import-untyped]
    ConfigurationProblem,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    ParseException,
)
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from generation_service.api.errors import OTHER_CLIENT_ERROR, document
from generation_service.api.responses import REQUEST_ID_HEADER, render
from generation_service.api.thread_pool import make_thread_pool
from generation_service.core.errors import ServiceError
from generation_service.telemetry import metrics

_OUR_OWN: Final = (ConfigurationProblem, InvalidResponseHeader, InvalidResponseHeaderName)

log = structlog.get_logger(__name__)


class Worker(ThreadWorker):  # type: ignore[misc]
    """Differs in its errors, and in which of its threads comes next."""

    def get_thread_pool(self) -> ThreadPoolExecutor:
        return make_thread_pool(self.cfg.threads)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        if not isinstance(exc, ParseException) or isinstance(exc, _OUR_OWN):
            super().handle_error(req, client, addr, exc)
            return
        request_id = uuid4().hex
        metrics.http_answered("other", "malformed", HTTPStatus.BAD_REQUEST, 0)
        log.info("request_malformed", request_id=request_id, error=type(exc).__name__)
        with suppress(OSError):  # the client has left
            util.write_nonblock(client, _refusal(request_id))


def _refusal(request_id: str) -> bytes:
    body = render(document(ServiceError(*OTHER_CLIENT_ERROR)))
    head = (
        "HTTP/1.1 400 Bad Request",
        "Connection: close",
        "Content-Type: application/json",
        "Cache-Control: no-store",
        f"Content-Length: {len(body)}",
        f"{REQUEST_ID_HEADER}: {request_id}",
    )
    return "\r\n".join((*head, "", "")).encode() + body

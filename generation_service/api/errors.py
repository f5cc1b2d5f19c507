"""The one place where exceptions become HTTP (docs/api.md §1)."""

from collections.abc import Mapping
from typing import Final

import structlog
from flask import Flask, Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from structlog.contextvars import bind_contextvars
from werkzeug.exceptions import HTTPException

from generation_service.api.responses import json_response
from generation_service.core.errors import ServiceError
from generation_service.core.limits import MAX_ERROR_DETAILS
from generation_service.db.availability import is_unavailable

DATABASE_RETRY_SECONDS: Final = 5

# These errors are sentences that clients already compare with; the code stands beside them.
_SENTENCES: Final[Mapping[str, str]] = {"job_not_cancellable": "Job cannot be cancelled"}

_HTTP_ERRORS: Final[Mapping[int, tuple[str, str]]] = {
    404: ("not_found", "There is nothing at this path; the paths are listed in docs/api.md."),
    405: ("method_not_allowed", "Use one of the methods that the Allow header names."),
}
_SCHEMES: Final[Mapping[str, str]] = {"invalid_metrics_token": "Bearer"}
OTHER_CLIENT_ERROR: Final = ("invalid_request", "The request is not well-formed HTTP.")

log = structlog.get_logger(__name__)


def install(app: Flask) -> None:
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _any)


def document(error: ServiceError) -> dict[str, object]:
    """The error as clients read it: at most 20 details, and how many `more` there are."""
    sentence = _SENTENCES.get(error.code)
    fields: dict[str, object] = {"error": sentence or error.code, "message": error.message}
    if sentence:
        fields["code"] = error.code
    fields |= error.extra
    if error.details:
        shown = error.details[:MAX_ERROR_DETAILS]
        fields["details"] = [{"path": path, "message": message} for path, message in shown]
        if more := error.more + len(error.details) - len(shown):
            fields["more"] = more
    return fields


def respond(error: ServiceError) -> Response:
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.http_status == 401:  # noqa: PLR2004 - RFC 9110 §11.6.1: a 401 names its scheme
        headers["WWW-Authenticate"] = _SCHEMES.get(error.code, "X-Signature")
    if error.http_status == 415:  # noqa: PLR2004 - RFC 9110 §15.5.16: and a 415 what is taken
        headers["Accept-Encoding"] = "gzip"
    return json_response(document(error), error.http_status, headers)


def explained(error: Exception) -> ServiceError:
    """What a client is told of any error; the line of its request in the log names its code."""
    found = _explained(error)
    bind_contextvars(code=found.code)
    return found


def _explained(error: Exception) -> ServiceError:
    """What is not the client's fault gets a line of its own."""
    if isinstance(error, HTTPException):
        return ServiceError(*_HTTP_ERRORS.get(error.code or 500, OTHER_CLIENT_ERROR))
    if isinstance(error, DBAPIError | PoolTimeoutError) and is_unavailable(error):
        return _database(error)
    if not isinstance(error, ServiceError):
        return _unexpected(error)
    if error.http_status >= 500:  # noqa: PLR2004 - RFC 9110 §15.6: not the client's fault
        log.error("request_failed", code=error.code, reason=error.message)
    return error


def _any(error: Exception) -> Response:
    return respond(explained(error))


def _http(error: HTTPException) -> Response:
    """Turn Flask's own errors into ours, with the headers they bring (Allow)."""
    response = _any(error)
    for name, value in error.get_headers():
        if name.lower() != "content-type":
            response.headers[name] = value
    return response


def _database(error: DBAPIError | PoolTimeoutError) -> ServiceError:
    log.error("database_unavailable", error=type(error).__name__, reason=_reason(error))
    return ServiceError(
        "database_unavailable",
        "The database did not answer in time; send the same request again.",
        retry_after=DATABASE_RETRY_SECONDS,
    )


def _reason(error: DBAPIError | PoolTimeoutError) -> str:
    """The driver's words without the statement and its values, which may be a client's data."""
    return str(error.orig if isinstance(error, DBAPIError) else error)


def _unexpected(error: Exception) -> ServiceError:
    log.error("request_failed", exc_info=error)
    message = "The service failed; quote the X-Request-Id of this answer when you report it."
    return ServiceError("internal_error", message)

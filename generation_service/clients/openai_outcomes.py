"""What is known after a call to OpenAI brought no usable answer, and how that is found out.

OpenAIUnreachable   nothing was sent, so nothing was done
OpenAIRefused       a clear no (4xx)
OpenAIUnclear       asked, and no clear answer: it may have been done
OpenAIMeaningless   answered with success, but not with what it was asked for: it probably was done
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import httpx2
import openai
import structlog

from generation_service.clients.deadline import Deadline
from generation_service.clients.openai_transport import bounded
from generation_service.core.openai_errors import Failure, error_code, read_error
from generation_service.core.webhooks import parse_retry_after
from generation_service.telemetry import openai_errors

_log = structlog.get_logger()
_SECRET_CHARS: Final = 16
_REQUEST_TIMEOUT: Final = 408  # the server gave up on the request, at a point that nobody knows
_UNSENT: Final = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
)


class OpenAICallError(Exception):
    """A call that brought no usable answer."""


class OpenAIUnreachable(OpenAICallError):  # noqa: N818 - the three say what is known
    """No connection: the request was certainly not carried out."""


class OpenAIUnclear(OpenAICallError):  # noqa: N818
    """The request may have been carried out. `failure` is what a 5xx answer said, if one came."""

    def __init__(
        self, message: str, failure: Failure | None = None, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.failure = failure
        self.status = status


class OpenAIRefused(OpenAICallError):  # noqa: N818
    """A clear no. `code` is OpenAI's own, `failure` what it means; `retry_after` in seconds."""

    def __init__(self, *, status: int, code: str, failure: Failure) -> None:
        super().__init__(f"HTTP {status}: {failure.message}")
        self.status = status
        self.code = code
        self.message = failure.message
        self.failure = failure
        self.retry_after = failure.retry_after


class OpenAIMeaningless(OpenAIUnclear):
    """A 2xx answer without what it must hold; asking again would bring the same, and cost again."""


@contextmanager
def judged(deadline: Deadline, max_bytes: int) -> Iterator[None]:
    """A block of calls of the SDK, bounded, whose every error becomes one of the three.

    Each is counted and told here, once, however often the caller tries again.
    """
    try:
        with _translated(deadline, max_bytes):
            yield
    except OpenAICallError as error:
        code = _code(error)
        if api := openai_errors.note(code):
            _log.error("openai_error", api=api, code=code, reason=str(error))
        raise


def _code(error: OpenAICallError) -> str:
    if isinstance(error, OpenAIUnreachable):
        return openai_errors.UNREACHABLE
    failure = error.failure if isinstance(error, OpenAIRefused | OpenAIUnclear) else None
    return openai_errors.NO_ANSWER if failure is None else failure.code


@contextmanager
def _translated(deadline: Deadline, max_bytes: int) -> Iterator[None]:
    try:
        with bounded(deadline, max_bytes):
            yield
    except openai.APIStatusError as error:
        raise _answered(error.response) from error
    except openai.APIConnectionError as error:
        raise _unanswered(error.__cause__ or error) from error
    except httpx2.HTTPError as error:  # from the body of an answer, which the SDK does not wrap
        raise _unanswered(error) from error
    except openai.OpenAIError as error:
        raise OpenAIUnclear(f"The OpenAI SDK failed: {error}") from error


def _answered(response: httpx2.Response) -> OpenAICallError:
    """The error that an answer other than 2xx stands for."""
    status, body = response.status_code, text_of(response)
    failure = read_error(status, body)
    waits = parse_retry_after(response.headers.get("retry-after"), now=datetime.now(UTC))
    if waits is not None:
        failure = replace(failure, retry_after=waits)
    if response.is_client_error and status != _REQUEST_TIMEOUT:
        return OpenAIRefused(status=status, code=error_code(body), failure=failure)
    return OpenAIUnclear(f"HTTP {status}: {failure.message}", failure, status)


def text_of(response: httpx2.Response) -> str:
    """The body, without our key: some gateways repeat it in an error, which clients get to see.

    What is as short as `none` or `ollama` opens nothing, and may be a word of the text.
    """
    key = response.request.headers.get("Authorization", "").removeprefix("Bearer ")
    text = response.content.decode(errors="replace")
    return text.replace(key, "…") if len(key) >= _SECRET_CHARS else text


def _unanswered(error: BaseException) -> OpenAICallError:
    text = f"{type(error).__name__}: {error}"
    return OpenAIUnreachable(text) if isinstance(error, _UNSENT) else OpenAIUnclear(text)

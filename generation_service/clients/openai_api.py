"""Everything that is asked of OpenAI, or of a server that speaks its language.

`OpenAIClient.complete` holds the one layer of retries; all else is asked once, because only the
caller knows whether asking again could pay twice. Answers are read leniently by `core`: the SDK
sends, signs and encodes, but servers that are not OpenAI's rarely fit its models.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import date
from functools import partial
from typing import IO, Final, Protocol, TypeVar, cast

import httpx2
import openai

from generation_service.clients.deadline import Deadline
from generation_service.clients.openai_outcomes import (
    OpenAICallError,
    OpenAIMeaningless,
    OpenAIRefused,
    OpenAIUnclear,
    OpenAIUnreachable,
    judged,
    text_of,
)
from generation_service.clients.openai_pages import Listed, entries, listed
from generation_service.clients.openai_transport import BoundedTransport, environment_proxy
from generation_service.clients.openai_tries import Pauses, late, lost, repeated
from generation_service.core.jsonl import lines
from generation_service.core.limits import MIB
from generation_service.core.model_notices import shutdown_days
from generation_service.core.openai_batch import BatchState, MalformedBatchError, as_id, read_batch
from generation_service.core.openai_errors import decoded
from generation_service.core.openai_files import FileState, read_file
from generation_service.core.replies import Failure, Reply, Retry, read_completion
from generation_service.telemetry import openai_errors

__all__ = ["OpenAICallError", "OpenAIClient", "OpenAIMeaningless"]
__all__ += ["OpenAIRefused", "OpenAIUnclear", "OpenAIUnreachable"]

_MAX_ANSWER_BYTES: Final = 32 * MIB
_MAX_FILE_BYTES: Final = 8_192 * MIB
_MAX_LINE_BYTES: Final = 32 * MIB
_CHUNK_BYTES: Final = 64 * 1024
_CONNECT_SECONDS: Final = 10.0
_UPLOAD_BYTES_PER_SECOND: Final = 512 * 1024
_PAGE: Final = 100
_FILE_PAGE: Final = 10_000
_DAY_SECONDS: Final = 86_400
_NOT_FOUND: Final = 404
_NO_KEY: Final = "none"  # for servers that ask for none; the SDK insists on one


class _Raw(Protocol):
    http_response: httpx2.Response


_Call = Callable[[httpx2.Timeout], _Raw]
_T = TypeVar("_T", bound=Listed)


class OpenAIClient:
    """One server and one key. Thread-safe; `timeout` is in seconds, for all of a call."""

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str,
        timeout: float = 60.0,
        pauses: Pauses | None = None,
    ) -> None:
        self._timeout = timeout
        self._pauses = pauses or Pauses()
        self._transport = BoundedTransport(proxy=environment_proxy(base_url))
        self._sdk = openai.OpenAI(
            api_key=api_key or _NO_KEY,
            base_url=base_url,
            max_retries=0,
            default_headers={"Accept-Encoding": "identity"},
            http_client=openai.DefaultHttpx2Client(transport=self._transport),
        )

    def close(self) -> None:
        self._sdk.close()

    @property
    def simulated(self) -> bool | None:
        """Whether it is the stand-in for OpenAI that answers; None while nothing was answered."""
        return self._transport.simulated

    def complete(
        self,
        body: Mapping[str, object],
        deadline: Deadline,
        may_send: Callable[[], bool] = lambda: True,
    ) -> Reply:
        """One direct answer. What may be repeated safely is repeated, within the deadline.

        A call that was sent and never answered may have been billed: it is not repeated. Before
        anything is sent `may_send` is asked.
        """
        once = partial(self._complete_once, body, deadline)
        return repeated(once, deadline, self._pauses, may_send)

    def _complete_once(self, body: Mapping[str, object], deadline: Deadline) -> tuple[Reply, bool]:
        """The reply, and whether the same may be asked again without paying twice."""
        create = self._sdk.chat.completions.with_raw_response.create
        call = cast("Callable[..., _Raw]", create)
        try:
            text = self._text(lambda timeout: call(**body, timeout=timeout), deadline)
        except OpenAIUnreachable as error:
            message = f"OpenAI cannot be reached: {error}"
            failure = Failure(code="openai_error", message=message, retry=Retry.AGAIN, general=True)
            return failure, True
        except OpenAIRefused as error:
            return error.failure, error.failure.retry is Retry.AGAIN
        except OpenAIUnclear as error:
            if error.failure is not None:
                return error.failure, error.failure.retry is Retry.AGAIN
            # It was sent, so even if only the time was too short it may have been billed.
            reason = str(error)
            return late(reason, retry=Retry.NEVER) if deadline.passed else lost(reason), False
        reply = read_completion(text)
        if isinstance(reply, Failure):
            openai_errors.note(reply.code)
        return reply, False

    def upload(self, content: IO[bytes], *, name: str, expires_after_days: int) -> str:
        """The id of the new file; large ones get more time. All of `content` is sent."""
        files = self._sdk.files.with_raw_response
        seconds = self._timeout + content.seek(0, os.SEEK_END) / _UPLOAD_BYTES_PER_SECOND
        content.seek(0)
        answer = self._object(
            lambda timeout: files.create(
                file=(name, content, "application/jsonl"),
                purpose="batch",
                expires_after={
                    "anchor": "created_at",
                    "seconds": expires_after_days * _DAY_SECONDS,
                },
                timeout=timeout,
            ),
            Deadline.after(seconds),
        )
        file_id = as_id(answer.get("id"))
        if file_id is None:
            raise OpenAIMeaningless("OpenAI answered the upload without the file's id.")
        return file_id

    def create_batch(self, *, input_file_id: str, metadata: Mapping[str, str]) -> BatchState:
        batches = self._sdk.batches.with_raw_response
        return self._batch(
            lambda timeout: batches.create(
                input_file_id=input_file_id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata=dict(metadata),
                timeout=timeout,
            )
        )

    def retrieve_batch(self, openai_id: str) -> BatchState:
        """OpenAIRefused with status 404 when it is gone."""
        batches = self._sdk.batches.with_raw_response
        return self._batch(lambda timeout: batches.retrieve(openai_id, timeout=timeout))

    def cancel_batch(self, openai_id: str) -> BatchState:
        batches = self._sdk.batches.with_raw_response
        return self._batch(lambda timeout: batches.cancel(openai_id, timeout=timeout))

    def list_batches(self) -> Iterator[BatchState]:
        """All batches of the account, newest first, page by page as they are asked for."""
        batches = self._sdk.batches.with_raw_response
        return self._listed(partial(batches.list, limit=_PAGE), read_batch)

    def list_files(self) -> Iterator[FileState]:
        """The account's files for batches, page by page as they are asked for."""
        files = self._sdk.files.with_raw_response
        return self._listed(partial(files.list, limit=_FILE_PAGE, purpose="batch"), read_file)

    def delete_file(self, file_id: str) -> None:
        """A file that is gone already counts as deleted."""
        files = self._sdk.files.with_raw_response
        try:
            self._text(lambda timeout: files.delete(file_id, timeout=timeout))
        except OpenAIRefused as error:
            if error.status != _NOT_FOUND:
                raise

    def file_lines(self, file_id: str) -> Iterator[bytes]:
        """The file's lines without their ends, blank ones left out, read as they are asked for.

        OpenAIUnclear when the connection breaks: a file never ends early unnoticed. Of a line of
        more than 32 MiB only the beginning is given.
        """
        content = self._sdk.files.with_streaming_response.content
        with ExitStack() as stack:
            opening = Deadline.after(self._timeout)
            with judged(opening, _MAX_FILE_BYTES):
                answer = stack.enter_context(content(file_id, timeout=_timeouts(opening)))
            chunks = answer.iter_bytes(_CHUNK_BYTES)
            yield from lines(self._punctual(chunks), max_bytes=_MAX_LINE_BYTES)

    def models(self) -> dict[str, date | None]:
        """Every model of the server, with the day it will be shut down if that is announced."""
        models = self._sdk.models.with_raw_response
        answer = self._object(lambda timeout: models.list(timeout=timeout))
        return shutdown_days(entries(answer))

    def _batch(self, call: _Call) -> BatchState:
        try:
            return read_batch(self._object(call))
        except MalformedBatchError as error:
            raise OpenAIMeaningless(str(error)) from None

    def _listed(self, call: Callable[..., _Raw], read: Callable[[object], _T]) -> Iterator[_T]:
        def page(after: str | None) -> Mapping[str, object]:
            start = openai.omit if after is None else after
            return self._object(lambda timeout: call(after=start, timeout=timeout))

        return listed(page, read)

    def _object(self, call: _Call, deadline: Deadline | None = None) -> Mapping[str, object]:
        answer = decoded(self._text(call, deadline))
        if not isinstance(answer, dict):
            raise OpenAIMeaningless("The answer is not a JSON object.")
        return answer

    def _text(self, call: _Call, deadline: Deadline | None = None) -> str:
        deadline = deadline or Deadline.after(self._timeout)
        with judged(deadline, _MAX_ANSWER_BYTES):
            return text_of(call(_timeouts(deadline)).http_response)

    def _punctual(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The chunks, each of which must come in time; what is done in between takes its own."""
        while True:
            with judged(Deadline.after(self._timeout), _MAX_FILE_BYTES):
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk


def _timeouts(deadline: Deadline) -> httpx2.Timeout:
    left = max(deadline.left(), 0.001)  # 0 would make the sockets non-blocking
    return httpx2.Timeout(left, connect=min(left, _CONNECT_SECONDS))

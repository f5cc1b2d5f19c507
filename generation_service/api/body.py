"""Reading request bodies: size, gzip, JSON, in this order (docs/api.md §1 and §10)."""

import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Final

from flask import Request
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from werkzeug.exceptions import ClientDisconnected

from generation_service.api.slow_peers import BODY_READ, GRACE_SECONDS, Pace, client_socket
from generation_service.core.errors import ServiceError
from generation_service.core.json_text import InvalidJsonError, parse

READERS: Final = 40
"""Threads of a process that may read bodies at once: slow senders never take the others."""

WAITING: Final = 8
"""Threads that may wait for their turn to read one; beyond them the answer is a 503 at once."""

READER_WAIT_SECONDS: Final = 1.0
BUSY_RETRY_SECONDS: Final = 2

_UNPACK_STEP: Final = 1024 * 1024  # a small gzip body may unfold a thousandfold
_GZIP_FORMAT: Final = 31  # zlib's wbits for "gzip header, largest window"


@dataclass(frozen=True, slots=True)
class Body:
    """A JSON object, and the bytes it was sent as, which may be packed."""

    sent: bytes
    fields: dict[str, object]


class BodyReader:
    """Reads bodies of at most `max_bytes`, before and after unpacking.

    `grace` is how many seconds a sender has before its pace counts.
    """

    def __init__(
        self,
        max_bytes: int,
        *,
        readers: int = READERS,
        waiting: int = WAITING,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self._max_bytes = max_bytes
        self._grace = grace
        self._readers = BoundedSemaphore(readers)
        self._waiting = BoundedSemaphore(waiting)

    def json_object(self, request: Request) -> Body:
        """Read a JSON object; raises ServiceError (413, 415, 400, 408, 503)."""
        sent, plain = self._read(request, packed=_is_packed(request))
        try:
            value = parse(plain)
        except InvalidJsonError as error:
            raise ServiceError("invalid_json", str(error)) from None
        if not isinstance(value, dict):
            raise ServiceError("invalid_json", "The body must be a JSON object.")
        return Body(sent, value)

    def as_sent(self, request: Request) -> bytes:
        """Read a body whatever it holds; raises ServiceError (413, 400, 408, 503)."""
        return self._read(request, packed=False)[0]

    def _read(self, request: Request, *, packed: bool) -> tuple[bytes, bytes]:
        """The body as it was sent, and unpacked."""
        self._check_size(request.content_length or 0)
        with self._turn(), Pace(client_socket(request), grace=self._grace) as pace:
            pieces = self._limited(_received(request, pace))
            body = self._unpacked(pieces) if packed else (b"".join(pieces),) * 2
        request.environ[BODY_READ] = True  # the connection can take another request
        return body

    def _unpacked(self, pieces: Iterable[bytes]) -> tuple[bytes, bytes]:
        sent: list[bytes] = []
        plain = b"".join(self._limited(unpacked(_noted(pieces, sent))))
        return b"".join(sent), plain

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not (self._readers.acquire(blocking=False) or self._waited()):
            raise ServiceError(
                "busy",
                "Too many bodies are being received; send the request again.",
                retry_after=BUSY_RETRY_SECONDS,
            )
        try:
            yield
        finally:
            self._readers.release()

    def _waited(self) -> bool:
        """Wait a moment for a reader, if few others do: waiting holds a thread just as well."""
        if not self._waiting.acquire(blocking=False):
            return False
        try:
            return self._readers.acquire(timeout=READER_WAIT_SECONDS)
        finally:
            self._waiting.release()

    def _limited(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        total = 0
        for piece in pieces:
            total += len(piece)
            self._check_size(total)
            yield piece

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise ServiceError(
                "request_too_large",
                f"A body may hold {self._max_bytes:,} bytes, counted unpacked; send fewer lots.",
            )


def unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Gunzip a stream, of several members too (RFC 1952 §2.2), at most 1 MiB at a time."""
    member = zlib.decompressobj(_GZIP_FORMAT)
    try:
        for piece in pieces:
            rest, more = piece, False
            while rest or more:
                if member.eof:
                    member = zlib.decompressobj(_GZIP_FORMAT)
                yield (plain := member.decompress(rest, _UNPACK_STEP))
                rest = member.unused_data if member.eof else member.unconsumed_tail
                more = len(plain) == _UNPACK_STEP and not member.eof
    except zlib.error:
        raise ServiceError("invalid_json", "The body is not the gzip it says it is.") from None
    if not member.eof:
        raise ServiceError("invalid_json", "The gzip body ends early.")


def _is_packed(request: Request) -> bool:
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise ServiceError("unsupported_media_type", "Send the body as it is or with gzip.")
    return encoding != "identity"


def _received(request: Request, pace: Pace) -> Iterator[bytes]:
    """The body as it arrives, all of it or an error."""
    missing = request.content_length
    while piece := _read(request, pace):
        pace.received(len(piece))
        missing = None if missing is None else missing - len(piece)
        yield piece
    if pace.too_slow or missing:
        raise _incomplete(pace)


def _noted(pieces: Iterable[bytes], notes: list[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        notes.append(piece)
        yield piece


def _read(request: Request, pace: Pace) -> bytes:
    try:
        return request.stream.read(pace.block)
    except (OSError, ClientDisconnected, ParseException):
        raise _incomplete(pace) from None


def _incomplete(pace: Pace) -> ServiceError:
    if pace.too_slow:
        return ServiceError("request_timeout", "Send the body faster than 1 KB a second.")
    return ServiceError("invalid_json", "The body ends early.")

"""Reading request bodies: size, gzip, JSON, in this order (docs/api.md §1 and §10).

A body is received whole before anything is made of it, so that whoever sends slowly holds no more
than a thread and some disk: large ones wait in a file, as they were sent.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from copy import copy
from itertools import accumulate
from tempfile import SpooledTemporaryFile
from threading import BoundedSemaphore
from typing import IO, Final

from flask import Request
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from werkzeug.exceptions import ClientDisconnected

from generation_service.api.slow_peers import BODY_READ, GRACE_SECONDS, Pace, client_socket
from generation_service.core.errors import ServiceError
from generation_service.core.json_text import InvalidJsonError, TooManyValuesError, parse
from generation_service.core.limits import MIB

READERS: Final = 40
"""Threads of a process that may read bodies at once: slow senders never take the others."""

WAITING: Final = 8
"""Threads that may wait for their turn to read one; beyond them the answer is a 503 at once."""

READER_WAIT_SECONDS: Final = 1.0
BUSY_RETRY_SECONDS: Final = 2

LARGE_BYTES: Final = MIB
LARGE_ONES: Final = 4
"""So many bodies that are larger, unpacked, may be read at once: nobody is known to have signed
them yet, and each may take seconds."""

LARGE_WAIT_SECONDS: Final = 10.0

_STEP: Final = 64 * 1024
_PACKED_STEP: Final = 16 * 1024  # zlib copies what it has not consumed of a piece, again and again
_UNPACK_STEP: Final = MIB  # a small gzip body may unfold a thousandfold
_GZIP_FORMAT: Final = 31  # zlib's wbits for "gzip header, largest window"


Listener = Callable[[bytes], object]
"""Is given a body's bytes as they come, still packed if they were packed."""


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
        large_ones: int = LARGE_ONES,
        large_wait: float = LARGE_WAIT_SECONDS,
    ) -> None:
        self._max_bytes = max_bytes
        self._grace = grace
        self._large_ones = BoundedSemaphore(large_ones)
        self._large_wait = large_wait
        self._readers = BoundedSemaphore(readers)
        self._waiting = BoundedSemaphore(waiting)

    def limited_to(self, max_bytes: int) -> "BodyReader":
        """A reader of smaller bodies that shares the turns of this one."""
        smaller = copy(self)
        smaller._max_bytes = max_bytes  # noqa: SLF001 - of its own class
        return smaller

    def json_object(self, request: Request, sent: Listener | None = None) -> dict[str, object]:
        """Read a small JSON object; raises ServiceError (413, 415, 400, 408, 503)."""
        with self.text(request, sent) as pieces, json_refused():
            value = parse(b"".join(pieces))
        if not isinstance(value, dict):
            raise ServiceError("invalid_json", "The body must be a JSON object.")
        return value

    @contextmanager
    def text(self, request: Request, sent: Listener | None = None) -> Iterator[Iterator[bytes]]:
        """Receive a body to its end, then give its unpacked bytes piece by piece.

        Raises ServiceError (413, 415, 408, 503, and 400 for what is no gzip).
        """
        packed = _is_packed(request)
        with self._turn(request), SpooledTemporaryFile(LARGE_BYTES, prefix="body-") as spool:
            for piece in self._received(request, sent):
                spool.write(piece)
            with self._turn_of_large() if self._is_large(spool, packed=packed) else nullcontext():
                yield self._pieces(spool, packed=packed)

    def as_sent(self, request: Request) -> bytes:
        """Read a body whatever it holds; raises ServiceError (413, 400, 408, 503)."""
        with self._turn(request):
            return b"".join(self._received(request, None))

    def _received(self, request: Request, sent: Listener | None) -> Iterator[bytes]:
        with Pace(client_socket(request), grace=self._grace) as pace:
            for piece in self._limited(_received(request, pace)):
                if sent is not None:
                    sent(piece)
                yield piece
        request.environ[BODY_READ] = True  # the connection can take another request

    def _pieces(self, spool: IO[bytes], *, packed: bool) -> Iterator[bytes]:
        spool.seek(0)
        step = _PACKED_STEP if packed else _STEP
        pieces = iter(lambda: spool.read(step), b"")
        return self._limited(unpacked(pieces)) if packed else pieces

    def _is_large(self, spool: IO[bytes], *, packed: bool) -> bool:
        sizes = accumulate(map(len, self._pieces(spool, packed=packed)))
        return any(size > LARGE_BYTES for size in sizes)

    @contextmanager
    def _turn_of_large(self) -> Iterator[None]:
        if not self._large_ones.acquire(timeout=self._large_wait):
            raise _busy("Several large bodies are being read; send the request again.")
        try:
            yield
        finally:
            self._large_ones.release()

    @contextmanager
    def _turn(self, request: Request) -> Iterator[None]:
        self._check_size(request.content_length or 0)
        if not (self._readers.acquire(blocking=False) or self._waited()):
            raise _busy("Too many bodies are being received; send the request again.")
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
                f"A body may hold {self._max_bytes:,} bytes, counted unpacked; send less at once.",
            )


@contextmanager
def json_refused() -> Iterator[None]:
    """Tell the client what is wrong with its JSON."""
    try:
        yield
    except TooManyValuesError as error:
        raise ServiceError("request_too_large", str(error)) from None
    except InvalidJsonError as error:
        raise ServiceError("invalid_json", str(error)) from None


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


def _busy(message: str) -> ServiceError:
    return ServiceError("busy", message, retry_after=BUSY_RETRY_SECONDS)


def _read(request: Request, pace: Pace) -> bytes:
    try:
        return request.stream.read(pace.block)
    except (OSError, ClientDisconnected, ParseException):
        raise _incomplete(pace) from None


def _incomplete(pace: Pace) -> ServiceError:
    if pace.too_slow:
        return ServiceError("request_timeout", "Send the body faster than 1 KB a second.")
    return ServiceError("invalid_json", "The body ends early.")

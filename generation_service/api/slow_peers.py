"""Slow clients are cut off, so that they never hold the threads of everybody else.

Sending to them is the easy half: a socket's timeout covers one sendall() as a whole, that is one
piece of an answer. Receiving is not: a server's read() blocks until it has all the bytes it was
asked for, and the timeout counts each receive anew, so that a client that drips one byte every few
seconds would pass for hours. There a second thread keeps the time and, once the body has fallen
behind, shuts the receiving side of the connection down: the blocked read then ends as if the body
ended, and can still be answered.
"""

import socket
import time
from contextlib import suppress
from threading import BoundedSemaphore, Event, Thread, Timer
from types import TracebackType
from typing import IO, Final, Self

from flask import Request

GRACE_SECONDS: Final = 10.0
BYTES_PER_SECOND: Final = 1024
PIECE_BYTES: Final = 300_000
PIECE_SECONDS: Final = 30.0

BODY_READ: Final = "generation_service.body_read"
"""Set in a request's environ once its body was read to the end."""

_FIRST_BLOCK: Final = 1024
_LARGEST_BLOCK: Final = 16 * 1024
_DISCARD_SECONDS: Final = 2.0
_DISCARD_BLOCK: Final = 64 * 1024
_discarding: Final = BoundedSemaphore(8)
"""So many unread bodies at once may be received for politeness; the others are cut off."""


def client_socket(request: Request) -> socket.socket | None:
    """The connection of a request, which WSGI has no name for; None under a test client."""
    environ = request.environ
    return environ.get("gunicorn.socket") or environ.get("werkzeug.socket")


def stop_receiving(connection: socket.socket | None) -> None:
    """Have every further read end at once, as if the client had hung up."""
    if connection is not None:
        with suppress(OSError):  # it may be gone already
            connection.shutdown(socket.SHUT_RD)


def discard_body(body: IO[bytes], connection: socket.socket | None) -> None:
    """Receive what is left of a body that nobody wants, for up to 2 s; then hang up.

    To be called when the answer has been sent: a client that still sends when its connection is
    closed sees a broken pipe instead of the answer.
    """
    if not _discarding.acquire(blocking=False):
        stop_receiving(connection)
        return
    watch = Timer(_DISCARD_SECONDS, stop_receiving, [connection])
    watch.start()
    try:
        with suppress(OSError, ValueError):  # the client has left, or its chunks are broken
            while body.read(_DISCARD_BLOCK):
                pass
    finally:
        watch.cancel()
        _discarding.release()
        stop_receiving(connection)


def limit_sending(request: Request) -> None:
    """Cut the client off when a piece of the answer does not leave within 30 s."""
    connection = client_socket(request)
    if connection is not None:
        connection.settimeout(PIECE_SECONDS)


class Pace:
    """Watches one body: at least 1,024 bytes a second after its first 10 seconds, without rests."""

    def __init__(self, connection: socket.socket | None, *, grace: float) -> None:
        self.too_slow = False
        self._connection = connection
        self._grace = grace
        self._received = 0
        self._done = Event()
        self._began = self._latest = time.monotonic()

    def __enter__(self) -> Self:
        if self._connection is not None:
            Thread(target=self._watch, args=(self._connection,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()

    @property
    def block(self) -> int:
        """How much to ask for next: small at first, because a block counts once it is whole."""
        return min(max(_FIRST_BLOCK, self._received // 4), _LARGEST_BLOCK)

    def received(self, count: int) -> None:
        self._received += count
        self._latest = time.monotonic()

    def _watch(self, connection: socket.socket) -> None:
        while not self._done.wait(self._left()):
            if self._left() <= 0:
                self.too_slow = True
                with suppress(OSError):  # the client has left: there is nothing to shut down
                    # Not close(): the server owns the socket, and the answer goes out on it.
                    connection.shutdown(socket.SHUT_RD)
                return

    def _left(self) -> float:
        """Seconds until the body has fallen behind, on average or with the block under way.

        The average alone would let a sender rest for hours on what it sent quickly.
        """
        block = self._grace + self.block / BYTES_PER_SECOND
        average = block + self._received / BYTES_PER_SECOND
        return min(self._latest + block, self._began + average) - time.monotonic()

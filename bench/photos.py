"""Photo hosts 80 ms away, as a process of their own: `python -m bench.photos`.

Prints their ports as JSON and serves until its standard input ends. Every path is a photo, of which
as many first bytes are given as a Range asks for; `/served` tells how often photos were.
"""

import asyncio
import json
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"
HOSTS: Final = 8
LATENCY_SECONDS: Final = 0.08
_PHOTO: Final = Path(__file__).parents[1] / "samples" / "motorcycle-right.jpg"
_RANGE: Final = re.compile(rb"\r\nRange: bytes=0-([0-9]+)\r\n", re.IGNORECASE)
_END: Final = b"\r\n\r\n"


@contextmanager
def serving() -> Iterator[Sequence[int]]:
    """The ports of the hosts."""
    command = [sys.executable, "-m", "bench.photos"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:  # noqa: S603 - this very module
        if child.stdout is None or child.stdin is None:
            raise RuntimeError("no pipes to the photo hosts")
        try:
            yield json.loads(child.stdout.readline())
        finally:
            child.stdin.close()


class _Later:
    """Sends answers 80 ms late. All are equally late, so one timer does, and costs next to none."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: deque[tuple[float, asyncio.Transport, bytes]] = deque()

    def send(self, transport: asyncio.Transport, answer: bytes) -> None:
        if not self._due:
            self._loop.call_later(LATENCY_SECONDS, self._send_due)
        self._due.append((self._loop.time() + LATENCY_SECONDS, transport, answer))

    def _send_due(self) -> None:
        now = self._loop.time()
        while self._due and self._due[0][0] <= now:
            _at, transport, answer = self._due.popleft()
            transport.write(answer)
        if self._due:
            self._loop.call_at(self._due[0][0], self._send_due)


class _Host(asyncio.Protocol):
    """Answers GETs on one connection, which stays open."""

    served = 0
    photo = _PHOTO.read_bytes()
    answers: Final[dict[int, bytes]] = {}

    def __init__(self, later: _Later) -> None:
        self._later = later
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # TCP's is one

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(_END)) >= 0:
            request = self._received[: end + len(_END)]
            self._received = self._received[end + len(_END) :]
            self._answer(request)

    def _answer(self, request: bytes) -> None:
        if request.startswith(b"GET /served "):
            body = b"%d" % _Host.served
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            self._transport.write(body)
            return
        _Host.served += 1
        asked = _RANGE.search(request)
        size = min(int(asked[1]) + 1, len(self.photo)) if asked else len(self.photo)
        self._later.send(self._transport, self.answers.get(size) or self._made(size))

    def _made(self, size: int) -> bytes:
        whole = len(self.photo)
        head = "\r\n".join(
            (
                "HTTP/1.1 206 Partial Content",
                "Server: photos",
                "Date: Tue, 05 Aug 2025 07:30:00 GMT",
                "Content-Type: image/jpeg",
                f"Content-Length: {size}",
                f"Content-Range: bytes 0-{size - 1}/{whole}",
                "Last-Modified: Mon, 04 Aug 2025 07:30:00 GMT",
                'ETag: "6890a1b8"',
                "",
                "",
            )
        )
        self.answers[size] = head.encode() + self.photo[:size]
        return self.answers[size]


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    later = _Later(loop)
    hosts = [
        await loop.create_server(lambda: _Host(later), LOOPBACK, 0, backlog=1_024)
        for _ in range(HOSTS)
    ]
    print(json.dumps([host.sockets[0].getsockname()[1] for host in hosts]), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())

"""Webhook receivers of every temper, as a process of their own: `python -m bench.receivers`.

Prints the ports of each temper as JSON and serves until its standard input ends.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

LOOPBACK: Final = "127.0.0.1"
COUNTS: Final = {"prompt": 8, "hanging": 60, "dripping": 60}
_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Ports = Mapping[str, Sequence[int]]


@contextmanager
def serving() -> Iterator[Ports]:
    """The ports, by temper: prompt, hanging, dripping."""
    command = [sys.executable, "-m", "bench.receivers"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:  # noqa: S603 - this very module
        if child.stdout is None or child.stdin is None:
            raise RuntimeError("no pipes to the receivers")
        try:
            yield json.loads(child.stdout.readline())
        finally:
            child.stdin.close()


class _Receiver(asyncio.Protocol):
    """Takes POSTs on one connection, one after the other."""

    def __init__(self, temper: str) -> None:
        self._temper = temper
        self._received = b""
        self._dripping: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # TCP's is one

    def connection_lost(self, _error: Exception | None) -> None:
        if self._dripping:
            self._dripping.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._end_of_request()) and end <= len(self._received):
            self._received = self._received[end:]
            self._answer()

    def _end_of_request(self) -> int:
        """Where the first request ends; 0 while its head is not all there."""
        head, blank, _ = self._received.partition(b"\r\n\r\n")
        lengths = [
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ]
        return len(head) + len(blank) + sum(lengths) if blank else 0

    def _answer(self) -> None:
        if self._temper == "prompt":
            self._transport.write(_ANSWER)
        elif self._temper == "dripping":
            self._dripping = asyncio.create_task(self._drip())

    async def _drip(self) -> None:
        for byte in _ANSWER:
            self._transport.write(bytes([byte]))
            await asyncio.sleep(1)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    ports: dict[str, list[int]] = {}
    for temper, count in COUNTS.items():
        servers = [
            await loop.create_server(partial(_Receiver, temper), LOOPBACK, 0) for _ in range(count)
        ]
        ports[temper] = [server.sockets[0].getsockname()[1] for server in servers]
    print(json.dumps(ports), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())

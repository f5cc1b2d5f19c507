"""Requests as fast as a server answers them: `python -m bench.polling ADDRESS CONNECTIONS SECONDS`.

The requests come on standard input, as a JSON list of their bytes' text, and are sent in turn. It
prints `{"count", "seconds", "p99", "least"}` as JSON; anything but a 200 ends it. A process of its
own, and as little work a request as can be: the client must not be what is measured.
"""

import json
import selectors
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import cycle

_LENGTH = b"content-length: "
_BLOCK = 65_536


def main() -> None:
    address, connections, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    requests = cycle([request.encode() for request in json.load(sys.stdin)])
    began = time.perf_counter()
    took = _poll(address, connections, began + seconds, requests)
    result = {
        "count": len(took),
        "seconds": time.perf_counter() - began,
        "p99": statistics.quantiles(took, n=100)[-1],
        "least": min(took),
    }
    print(json.dumps(result))


def _poll(address: str, connections: int, until: float, requests: Iterator[bytes]) -> list[float]:
    """Seconds that each answer took; every connection has one request under way at a time."""
    host, _, port = address.rpartition(":")
    took: list[float] = []
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            connection = socket.create_connection((host, int(port)), timeout=60)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(connection, selectors.EVENT_READ, _sent(connection, requests))
        while time.perf_counter() < until:
            for key, _ in selector.select():
                connection = key.fileobj  # type: ignore[assignment]  # only sockets are registered
                _answer(connection)
                took.append(time.perf_counter() - key.data)
                selector.modify(connection, selectors.EVENT_READ, _sent(connection, requests))
    return took


def _sent(connection: socket.socket, requests: Iterator[bytes]) -> float:
    began = time.perf_counter()
    connection.sendall(next(requests))
    return began


def _answer(connection: socket.socket) -> None:
    answer = connection.recv(_BLOCK)
    while (end := answer.find(b"\r\n\r\n")) < 0:
        answer += connection.recv(_BLOCK)
    head = answer[:end].lower()
    if not head.startswith(b"http/1.1 200 "):
        raise RuntimeError(answer)
    at = head.index(_LENGTH) + len(_LENGTH)
    left = end + 4 + int(head[at:].split(b"\r", 1)[0]) - len(answer)
    while left > 0:
        left -= len(connection.recv(_BLOCK))


if __name__ == "__main__":
    main()

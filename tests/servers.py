"""An HTTP server on loopback whose behaviour is a value for each path."""

import contextlib
import gzip
import socket
import ssl
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Condition, Event, Thread
from typing import Self

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a path answers. `raw` is sent in place of any HTTP; `drip` seconds part its bytes."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    gzip: bool = False
    ranged: bool = False  # honours a Range header
    drip: float | None = None
    hang: bool = False  # takes the request and never answers
    reset: bool = False  # answers with a TCP reset
    held: Event | None = None  # answers once it is set
    raw: bytes | None = None


def redirect(location: str, status: int = 302) -> Reply:
    return Reply(status=status, headers={"Location": location}, body=b"elsewhere")


@dataclass(frozen=True, kw_only=True)
class Received:
    method: str
    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes


class LoopbackServer:
    """`replies` may be changed while it runs; a list is answered in turn, its last one for ever.

    Paths are looked up with their query, then without it; unknown ones are a 404.
    """

    def __init__(
        self,
        replies: Mapping[str, Reply | Sequence[Reply]] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.replies: dict[str, Reply | Sequence[Reply]] = dict(replies or {})
        self.received: list[Received] = []
        self.connections = 0
        self.open_requests = 0
        self.most_at_once = 0
        self.closing = Event()
        self.changed = Condition()
        self.sockets: set[socket.socket] = set()
        self._http = _Server((LOOPBACK, 0), _Handler)
        self._http.owner = self
        if tls:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self.port: int = self._http.server_port
        self.allowed = frozenset({(LOOPBACK, self.port), ("localhost", self.port)})
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    def url(self, path: str = "/", host: str = LOOPBACK) -> str:
        return f"http://{host}:{self.port}{path}"

    def hits(self, path: str) -> int:
        with self.changed:
            return sum(request.path == path for request in self.received)

    def wait_for_hits(self, count: int, seconds: float = 10.0) -> None:
        """Return once so many requests have come in; raises TimeoutError."""
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.received) >= count, seconds):
                raise TimeoutError(f"{len(self.received)} of {count} requests came in")

    def next_reply(self, path: str) -> Reply:
        found = self.replies.get(path) or self.replies.get(path.partition("?")[0])
        if found is None:
            return Reply(status=404, body=b"no such path")
        if isinstance(found, Reply):
            return found
        turn = self.hits(path) - 1
        return found[min(turn, len(found) - 1)]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.closing.set()
        self._http.shutdown()
        with self.changed:
            for connection in self.sockets:
                with contextlib.suppress(OSError):  # closed by its other end
                    connection.shutdown(socket.SHUT_RDWR)
        self._http.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for them
    request_queue_size = 1024
    owner: LoopbackServer

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own asks a name server for our name
        self.server_name, self.server_port = LOOPBACK, self.socket.getsockname()[1]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each body waits 40 ms for the client's delayed ACK
    server: _Server

    def handle(self) -> None:
        owner = self.server.owner
        with owner.changed:
            owner.connections += 1
            owner.sockets.add(self.connection)
        try:
            with contextlib.suppress(ConnectionError):  # clients under test hang up early
                super().handle()
        finally:
            with owner.changed:
                owner.sockets.discard(self.connection)

    def do_GET(self) -> None:
        owner = self.server.owner
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Received(method=self.command, path=self.path, headers=headers, body=body)
        with owner.changed:
            owner.received.append(request)
            owner.open_requests += 1
            owner.most_at_once = max(owner.most_at_once, owner.open_requests)
            owner.changed.notify_all()
            reply = owner.next_reply(self.path)  # here, so that two at once take different turns
        try:
            self._answer(reply)
        finally:
            with owner.changed:
                owner.open_requests -= 1

    do_POST = do_GET  # noqa: N815 - http.server's own naming

    def _answer(self, reply: Reply) -> None:
        if reply.held:
            self._hold(reply.held)
        if reply.hang:
            self.server.owner.closing.wait()
            self.close_connection = True
        elif reply.reset:
            self._reset()
        elif reply.raw is not None:
            self.close_connection = True
            self._send(reply.raw, reply.drip)
        else:
            self._send_reply(reply)

    def _hold(self, event: Event) -> None:
        while not event.wait(0.01) and not self.server.owner.closing.is_set():
            pass

    def _reset(self) -> None:
        at_once = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        self.connection.close()
        self.close_connection = True

    def _send_reply(self, reply: Reply) -> None:
        body = gzip.compress(reply.body) if reply.gzip else reply.body
        status, body, headers = self._part(reply, body)
        headers |= {"Content-Encoding": "gzip"} if reply.gzip else {}
        self.send_response(status)
        for name, value in (headers | dict(reply.headers)).items():
            self.send_header(name, value)
        self.end_headers()
        self._send(body, reply.drip)

    def _part(self, reply: Reply, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        asked = self.headers.get("Range", "")
        if not (reply.ranged and asked):
            return reply.status, body, {"Content-Length": str(len(body))}
        last = min(int(asked.rpartition("-")[2] or len(body)), len(body) - 1)
        part = body[: last + 1]
        whole = f"bytes 0-{last}/{len(body)}"
        return 206, part, {"Content-Length": str(len(part)), "Content-Range": whole}

    def _send(self, data: bytes, drip: float | None) -> None:
        if drip is None:
            self.wfile.write(data)
            return
        for byte in data:
            self.wfile.write(bytes([byte]))
            if self.server.owner.closing.wait(drip):
                return

    def log_message(self, *_arguments: object) -> None:
        """Tests are told by `received`."""

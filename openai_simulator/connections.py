"""HTTP/1.1 over sockets: connections kept alive, a thread for each, bodies as streams.

Werkzeug's own server closes every connection after one answer, and a server behind WSGI cannot
reset one: both matter to whoever tests a client.
"""

import http.client
import json
import os
import shutil
import socket
import struct
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from functools import cached_property
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from typing import IO, Final, cast
from urllib.parse import parse_qsl, urlsplit

from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import DechunkedInput
from werkzeug.wsgi import LimitedStream

from openai_simulator.errors import ApiError

MAX_JSON_BYTES: Final = 64 * 1024 * 1024
IDLE_SECONDS: Final = 120


class Dropped(Exception):  # noqa: N818  an order, not an error
    """The connection is to be reset, with no answer."""


@dataclass
class Request:
    """`stream` ends where the body ends; what is left of it is read before the answer."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Message
    stream: IO[bytes]

    @cached_property
    def body(self) -> bytes:
        body = self.stream.read(MAX_JSON_BYTES + 1)
        if len(body) > MAX_JSON_BYTES:
            raise ApiError(413, "The request body is too large.")
        return body

    def drain(self) -> None:
        while self.stream.read(65_536):
            pass


@dataclass
class Response:
    """JSON (`document`), bytes (`content`) or a whole `file`.

    `cut` sends a part of the file, waits as long as `hold` takes, then resets.
    """

    status: int = 200
    document: object = None
    content: bytes | None = None
    file: Path | None = None
    content_type: str = "application/octet-stream"
    cut: float | None = None
    hold: Callable[[], object] = bool
    headers: Mapping[str, str] = field(default_factory=dict)


Application = Callable[[Request], Response]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS

    def handle(self) -> None:
        with suppress(ConnectionError, ClientDisconnected):  # a client may leave at any moment
            super().handle()

    def _respond(self) -> None:
        request = self._request()
        try:
            response = cast("Server", self.server).application(request)
        except Dropped:
            self._reset()
            return
        request.drain()
        try:
            self._send(response)
        except FileNotFoundError:  # its file was deleted at this moment
            self._reset()

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = _respond  # noqa: N815  http.server's names

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        return Request(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers=self.headers,
            stream=self._stream(),
        )

    def _stream(self) -> IO[bytes]:
        incoming = cast("IO[bytes]", self.rfile)
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return cast("IO[bytes]", DechunkedInput(incoming))
        length = self.headers.get("Content-Length", "0")
        return cast("IO[bytes]", LimitedStream(incoming, int(length) if length.isdigit() else 0))

    def _send(self, response: Response) -> None:
        if response.file is not None:
            self._send_file(response, response.file)
            return
        content, kind = response.content, response.content_type
        if content is None:
            content, kind = json.dumps(response.document).encode(), "application/json"
        self.wfile.write(self._head(response, kind, len(content)) + content)

    def _send_file(self, response: Response, path: Path) -> None:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            self.wfile.write(self._head(response, response.content_type, size))
            if response.cut is None:
                shutil.copyfileobj(file, self.wfile)
            else:
                self.wfile.write(file.read(int(size * response.cut)))
                response.hold()
                self._reset()

    def _head(self, response: Response, content_type: str, length: int) -> bytes:
        reason = http.client.responses.get(response.status, "Unknown")
        lines = [
            f"HTTP/1.1 {response.status} {reason}",
            f"date: {self.date_time_string()}",
            f"content-type: {content_type}",
            f"content-length: {length}",
            f"x-request-id: req_{uuid.uuid4().hex}",
            "x-simulated: true",
            *(f"{name}: {value}" for name, value in response.headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _reset(self) -> None:
        """Close with RST: SO_LINGER of 0, and before socketserver's orderly shutdown."""
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        os.close(self.connection.detach())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        """Nothing: GET /simulator/requests counts them."""


class Server(ThreadingMixIn, TCPServer):
    """Listens from the start; `close` ends every connection and waits for its thread."""

    allow_reuse_address = True
    request_queue_size = 512

    def __init__(self, host: str, port: int, application: Application) -> None:
        self.application = application
        self._connections: set[socket.socket] = set()
        super().__init__((host, port), Handler)

    def process_request(self, request: object, client_address: object) -> None:
        self._connections.add(cast("socket.socket", request))
        super().process_request(request, client_address)  # type: ignore[arg-type]

    def shutdown_request(self, request: object) -> None:
        self._connections.discard(cast("socket.socket", request))
        super().shutdown_request(request)  # type: ignore[arg-type]

    def close(self) -> None:
        self.shutdown()
        for connection in list(self._connections):
            with suppress(OSError):  # closed by its own thread meanwhile
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

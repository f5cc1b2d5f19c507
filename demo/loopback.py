"""Two small servers on this machine: one gives the sample photos, one receives webhooks."""

import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from examples.generation_service_client import verify_webhook

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One POST as it arrived; `verified` by the key that signs the demo's requests."""

    body: bytes
    headers: Mapping[str, str]
    verified: bool


class Receiver:
    """Takes webhooks at `url`: 200 for those that are signed right, 401 for others."""

    def __init__(self, port: int, inbox: "queue.Queue[Webhook]") -> None:
        self.port = port
        self.url = f"http://{LOOPBACK}:{port}/webhook"
        self._inbox = inbox

    def wait(self, wanted: Callable[[Webhook], bool], seconds: float) -> Webhook | None:
        """The first webhook that is `wanted`, or None when there is none within `seconds`."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                webhook = self._inbox.get(timeout=left)
            except queue.Empty:
                return None
            if wanted(webhook):
                return webhook
        return None


@contextmanager
def photo_server(folder: Path) -> Iterator[int]:
    """Serve `folder` and yield the port."""
    with _serving(partial(_Photos, directory=str(folder))) as port:
        yield port


@contextmanager
def webhook_receiver(key: str) -> Iterator[Receiver]:
    inbox: queue.Queue[Webhook] = queue.Queue()
    with _serving(partial(_Webhooks, key, inbox)) as port:
        yield Receiver(port, inbox)


@contextmanager
def _serving(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[int]:
    with _Server((LOOPBACK, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Print a traceback, unless a prober hung up when it had seen enough of a photo."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Photos(SimpleHTTPRequestHandler):
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".webp": "image/webp"}  # noqa: RUF012  (as its parent has it)

    def log_message(self, *_: object) -> None:
        """Stay silent: the terminal belongs to the demo."""


class _Webhooks(BaseHTTPRequestHandler):
    def __init__(self, key: str, inbox: "queue.Queue[Webhook]", *connection: object) -> None:
        self.key = key
        self.inbox = inbox
        super().__init__(*connection)  # type: ignore[arg-type]  # http.server's own triple

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = dict(self.headers.items())
        verified = verify_webhook(body, headers, self.key)
        self.send_response(HTTPStatus.OK if verified else HTTPStatus.UNAUTHORIZED)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.inbox.put(Webhook(body=body, headers=headers, verified=verified))

    def log_message(self, *_: object) -> None:
        """Stay silent: the terminal belongs to the demo."""

"""A second server that speaks OpenAI's language: files, batches, chat completions, and no more.

It shares nothing with the simulator and checks little, as such servers do. Every batch is worked,
and billed, the moment it is created. `Quirks` says how it differs from OpenAI; a test sets them.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from socketserver import TCPServer
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import unquote

if TYPE_CHECKING:
    from email.message import Message

Document = dict[str, Any]
HOST = "127.0.0.1"
EMPTY_FILE = "file-with-nothing-in-it"
_CALLS = (
    ("upload", "POST /v1/files"),
    ("content", "GET /v1/files/(.+)/content"),
    ("delete", "DELETE /v1/files/(.+)"),
    ("create", "POST /v1/batches"),
    ("list", "GET /v1/batches"),
    ("cancel", "POST /v1/batches/(.+)/cancel"),
    ("retrieve", "GET /v1/batches/(.+)"),
    ("chat", "POST /v1/chat/completions"),
)


@dataclass(frozen=True)
class Answer:
    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/html"})


def answer(document: object, status: int = 200, **headers: str) -> Answer:
    return Answer(json.dumps(document).encode(), status, headers)


@dataclass(frozen=True, kw_only=True)
class Quirks:
    """`statuses` are told one look at a batch after the other, the last one for ever.

    `batch`, `line` and `completion` have the last word on such documents, `content` on the bytes
    of an output file. `ids` is how ids look. A call is answered as `instead` says and nothing is
    done, or `afterwards`, once it is done; `slow` gives the seconds that it takes.
    """

    statuses: Sequence[str] = ("completed",)
    batch: Callable[[Document], Document] = dict
    line: Callable[[Document], object] = dict
    completion: Callable[[Document], object] = dict
    content: Callable[[bytes], bytes] = bytes
    ids: str = "{kind}-{number}"
    instead: Mapping[str, Answer] = field(default_factory=dict)
    afterwards: Mapping[str, Answer] = field(default_factory=dict)
    slow: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Asked:
    """`ident` is the id in the path."""

    ident: str
    body: bytes
    content_type: str


@dataclass
class _Batch:
    document: Document
    total: int
    looks: int = 0


class CompatibleServer:
    """`billed` has the custom_id of every line that was worked, as often as it was."""

    def __init__(self) -> None:
        self.quirks = Quirks()
        self.billed: list[str] = []
        self.closing = Event()
        self._lock = Lock()
        self._numbers = count(1)
        self._files: dict[str, list[Document]] = {EMPTY_FILE: []}
        self._batches: dict[str, _Batch] = {}
        self._http = _Server((HOST, 0), _Handler)
        self._http.owner = self
        self._thread = Thread(target=self._http.serve_forever, args=[0.01])

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self._http.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def call(self, name: str, asked: "_Asked") -> Answer:
        """Do what is asked, or what the quirks say; a missing file or batch is a KeyError."""
        quirks = self.quirks
        self.closing.wait(quirks.slow.get(name, 0))
        if name in quirks.instead:
            return quirks.instead[name]
        with self._lock:
            done = _WORK[name](self, asked)
        return quirks.afterwards.get(name, done)

    def upload(self, asked: "_Asked") -> Answer:
        file_id = self._new_id("file")
        text = _uploaded(asked.body, asked.content_type)
        self._files[file_id] = [json.loads(line) for line in text.splitlines()]
        return answer({"id": file_id})

    def content(self, asked: "_Asked") -> Answer:
        lines = [self.quirks.line(line) for line in self._files[asked.ident]]
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        return Answer(self.quirks.content(text.encode()), headers={})

    def delete(self, asked: "_Asked") -> Answer:
        del self._files[asked.ident]
        return answer({"id": asked.ident, "deleted": True})

    def create(self, asked: "_Asked") -> Answer:
        wanted = json.loads(asked.body)
        requests = self._files[wanted["input_file_id"]]
        self.billed += [request["custom_id"] for request in requests]
        output, batch_id = self._new_id("file"), self._new_id("batch")
        self._files[output] = [self._line(request) for request in requests]
        named = {"id": batch_id, "output_file_id": output, "error_file_id": None}
        self._batches[batch_id] = _Batch({**wanted, **named}, len(requests))
        return answer(self._shown(self._batches[batch_id]))

    def retrieve(self, asked: "_Asked") -> Answer:
        batch = self._batches[asked.ident]
        batch.looks += 1
        return answer(self._shown(batch))

    def newest(self, _asked: "_Asked") -> Answer:
        return answer({"data": [self._shown(batch) for batch in reversed(self._batches.values())]})

    def chat(self, asked: "_Asked") -> Answer:
        return answer(self._completion(json.loads(asked.body)))

    def _new_id(self, kind: str) -> str:
        return self.quirks.ids.format(kind=kind, number=next(self._numbers))

    def _line(self, request: Document) -> Document:
        response = {"status_code": 200, "body": self._completion(request["body"])}
        return {"custom_id": request["custom_id"], "response": response, "error": None}

    def _completion(self, body: Document) -> object:
        said = f"<p>A dent in the door. Asked for {body['model']}.</p>"
        choice = {"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 7, "completion_tokens": 5}
        return self.quirks.completion({"model": body["model"], "choices": [choice], "usage": usage})

    def _shown(self, batch: _Batch) -> Document:
        statuses = self.quirks.statuses
        status = statuses[min(batch.looks, len(statuses) - 1)]
        ended = batch.looks >= len(statuses) - 1
        files = {} if ended else {"output_file_id": None}
        counts = {"total": batch.total, "completed": batch.total * ended, "failed": 0}
        progress = {"status": status, "request_counts": counts}
        stamp = {"completed_at": 1_790_000_000 if ended else None}
        return self.quirks.batch({**batch.document, **progress, **stamp, **files})


_WORK: Mapping[str, Callable[[CompatibleServer, "_Asked"], Answer]] = {
    "upload": CompatibleServer.upload,
    "content": CompatibleServer.content,
    "delete": CompatibleServer.delete,
    "create": CompatibleServer.create,
    "list": CompatibleServer.newest,
    "cancel": CompatibleServer.retrieve,
    "retrieve": CompatibleServer.retrieve,
    "chat": CompatibleServer.chat,
}


def _uploaded(body: bytes, content_type: str) -> bytes:
    """The file in a multipart body (RFC 7578)."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    form = BytesParser().parsebytes(head + body)
    parts = cast("list[Message]", form.get_payload())
    names = {part.get_param("name", header="Content-Disposition"): part for part in parts}
    return cast("bytes", names["file"].get_payload(decode=True))


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for them
    owner: CompatibleServer

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own asks a name server for our name


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        said = self._said(body)
        self.send_response(said.status)
        for name, value in said.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said.body)))
        self.end_headers()
        self.wfile.write(said.body)

    do_POST = do_DELETE = do_GET  # noqa: N815 - http.server's own naming

    def _said(self, body: bytes) -> Answer:
        asked = f"{self.command} {self.path.partition('?')[0]}"
        for name, pattern in _CALLS:
            if found := re.fullmatch(pattern, asked):
                ident = unquote(found[1]) if found.groups() else ""
                sent = _Asked(ident, body, self.headers.get("Content-Type", ""))
                try:
                    return self.server.owner.call(name, sent)
                except KeyError as missing:
                    return Answer(f"<h1>No {missing} here</h1>".encode(), 404)
        return Answer(b"<h1>Cannot " + asked.encode() + b"</h1>", 404)

    def log_message(self, *_arguments: object) -> None:
        """Tests are told by `billed`."""

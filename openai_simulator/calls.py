"""The calls under /v1, each a small function from a request to an answer."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from openai_simulator import models
from openai_simulator.actions import Fired
from openai_simulator.batch_lines import twisted
from openai_simulator.batches import Batches
from openai_simulator.connections import Request, Response
from openai_simulator.desk import parse_body
from openai_simulator.paging import page
from openai_simulator.parts import Parts
from openai_simulator.schema import string
from openai_simulator.uploads import upload


@dataclass(frozen=True)
class Call:
    """`ident` is the id in the path, "" where there is none."""

    request: Request
    ident: str
    fired: Sequence[Fired]
    parts: Parts
    batches: Batches


Handle = Callable[[Call], Response]


def work(call: Call) -> Response:
    """Chat completions and responses."""
    body = parse_body(call.request.body)
    ident = uuid.uuid4().hex
    done = call.parts.desk.work(
        call.request.path, body, ident, lambda answer: twisted(answer, call.fired)
    )
    call.parts.ledger.direct(done.bill, time.time())
    return Response(document=done.document)


def upload_file(call: Call) -> Response:
    return Response(document=upload(call.request, call.parts.files).document)


def list_files(call: Call) -> Response:
    query = call.request.query
    string(choices=("asc", "desc"))(query.get("order", "desc"), "order")
    purpose = query.get("purpose")
    files = [file for file in call.parts.files.newest_first if purpose in {None, file.purpose}]
    if query.get("order") == "asc":
        files.reverse()
    return Response(document=page(files, query, usual=10_000, most=10_000))


def retrieve_file(call: Call) -> Response:
    return Response(document=call.parts.files.get(call.ident).document)


def file_content(call: Call) -> Response:
    file = call.parts.files.get(call.ident)
    return Response(file=call.parts.files.path(file.id))


def delete_file(call: Call) -> Response:
    call.parts.files.delete(call.ident)
    return Response(document={"id": call.ident, "object": "file", "deleted": True})


def create_batch(call: Call) -> Response:
    raw = call.request.body
    return Response(document=call.batches.create(parse_body(raw), raw))


def list_batches(call: Call) -> Response:
    found = page(call.batches.newest_first, call.request.query, usual=20, most=100)
    return Response(document=found)


def retrieve_batch(call: Call) -> Response:
    return Response(document=call.batches.get(call.ident))


def cancel_batch(call: Call) -> Response:
    return Response(document=call.batches.cancel(call.ident))


def list_models(_call: Call) -> Response:
    data = [model.document for model in models.MODELS.values()]
    return Response(document={"object": "list", "data": data})


def retrieve_model(call: Call) -> Response:
    return Response(document=models.find(call.ident).document)


def absent(_call: Call) -> Response:
    return Response(404, {"detail": "Not Found"})


# (method, path, the rules' point, function); {} stands for an id.
ROUTES: Final[Sequence[tuple[str, str, str, Handle]]] = (
    ("POST", "/v1/chat/completions", "chat", work),
    ("POST", "/v1/responses", "responses", work),
    ("POST", "/v1/files", "upload", upload_file),
    ("GET", "/v1/files", "files", list_files),
    ("GET", "/v1/files/{}", "file", retrieve_file),
    ("GET", "/v1/files/{}/content", "content", file_content),
    ("DELETE", "/v1/files/{}", "delete", delete_file),
    ("POST", "/v1/batches", "create", create_batch),
    ("GET", "/v1/batches", "list", list_batches),
    ("GET", "/v1/batches/{}", "retrieve", retrieve_batch),
    ("POST", "/v1/batches/{}/cancel", "cancel", cancel_batch),
    ("GET", "/v1/models", "models", list_models),
    ("GET", "/v1/models/{}", "models", retrieve_model),
)
_OF_BATCHES: Final = ("/v1/files", "/v1/batches")


def routes(*, batch_api: bool) -> Sequence[tuple[str, str, str, Handle]]:
    """What is served; without a Batch API its paths are unknown, in vLLM's words."""
    return [
        (method, path, point, handle if batch_api or not path.startswith(_OF_BATCHES) else absent)
        for method, path, point, handle in ROUTES
    ]

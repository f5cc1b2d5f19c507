"""The last hand on a generated request: real photos, known ids, a signature.

Generated URLs would be asked for on the internet and generated ids belong to no job, so both are
exchanged for such as exist. What follows is chosen by a checksum of the request, so that the same
request is always sent in the same way.
"""

import json
import re
import time
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from requests import PreparedRequest
from requests.auth import AuthBase

from generation_service.core.signatures import canonical_json, sign
from tests.events import signed

JOBS = "jobs"
OWN_JOBS = ("DELETE", "cancel", "retry")
"""What asks for these, if there are some, gets no other job: the others are wanted as they are."""
DELIVERIES = "deliveries"
ENDPOINTS = "endpoints"
EVENTS = "/openai/events"

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_PLACES = {
    DELIVERIES: re.compile(rf"(/batch-jobs)/{_UUID}/deliveries/{_UUID}"),
    JOBS: re.compile(rf"(/batch-(?:status|results|jobs))/{_UUID}(?!/deliveries/)"),
    ENDPOINTS: re.compile(rf"(/webhook-endpoints)/{_UUID}"),
}
_JOB_IN_PATH = re.compile(r"/api/v1/batch-(?:status|results|jobs)/([^/]+)")
_HTTP_URL = re.compile(r"https?://", re.IGNORECASE)
_SIGNED_FIELDS = ("lots", "urls")


class Known:
    """What may stand in a path: ids of jobs and endpoints, and `job/deliveries/delivery`.

    The `first` ones are kept, of those that the service gives the newest few.
    """

    def __init__(self, first: Mapping[str, Sequence[str]]) -> None:
        self._first = first
        self._learned: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=3))

    def learn(self, path: str, document: object) -> None:
        """Note the ids in the answer to a request for `path`."""
        job = _JOB_IN_PATH.match(path)
        for name, value in _members(document):
            if name == "job_id":
                self._learned[JOBS].append(str(value))
            elif name == "endpoint_id":
                self._learned[ENDPOINTS].append(str(value))
            elif name == "delivery_id" and job:
                self._learned[DELIVERIES].append(f"{job[1]}/deliveries/{value}")

    def exchange(self, method: str, path: str, die: int) -> str:
        """The path with something known in place of what was generated."""
        for kind, place in _PLACES.items():
            first: Sequence[str] = self._first.get(kind, ())
            learned: Sequence[str] = self._learned[kind]
            own = self._own_jobs(method, path) if kind == JOBS else ()
            ids = own or (first if die % 2 else learned) or first or learned
            if ids:
                path = place.sub(rf"\1/{ids[die // 2 % len(ids)]}", path)
        return path

    def _own_jobs(self, method: str, path: str) -> Sequence[str]:
        asked = {method, path.rpartition("/")[2]}.intersection(OWN_JOBS)
        return self._first.get(asked.pop(), ()) if asked else ()


def _members(node: object) -> list[tuple[str, object]]:
    children: list[object] = []
    found: list[tuple[str, object]] = []
    if isinstance(node, dict):
        found, children = list(node.items()), list(node.values())
    elif isinstance(node, list):
        children = node
    return found + [member for child in children for member in _members(child)]


@dataclass(frozen=True)
class Sender(AuthBase):
    """Makes of a request one that the service may take; of one in sixteen an unsigned one.

    Only what has succeeded before is spoiled: how far a short run gets is not left to chance.
    """

    key: str
    photo_url: str
    webhook_url: str
    known: Known
    _succeeded: set[str] = field(default_factory=set)

    def succeeded(self, request: PreparedRequest) -> None:
        self._succeeded.add(_operation(request))

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        die = _die(request)
        if _operation(request) not in self._succeeded:
            die |= 1
        if die % 8:
            request.url = self._with_known_ids(request, die // 8)
            request.headers.pop("X-Client", None)
        self._replace_urls(request)
        if die % 16 and request.path_url == EVENTS:
            request.headers.update(signed(_bytes(request), f"wh_{die % 64}"))
        elif die % 16:
            (self._sign_2 if die % 2 else self._sign_1)(request)
        return request

    def _with_known_ids(self, request: PreparedRequest, die: int) -> str:
        parts = urlsplit(str(request.url))
        path = self.known.exchange(str(request.method), parts.path, die)
        return urlunsplit(parts._replace(path=path))

    def _replace_urls(self, request: PreparedRequest) -> None:
        def replaced(text: str, name: str) -> str:
            if _HTTP_URL.match(text):
                return self.webhook_url if name == "webhook" else self.photo_url
            return text

        body = _json(request)
        if body is not None:
            _set_body(request, _with_strings(body, replaced))

    def _sign_1(self, request: PreparedRequest) -> None:
        body = _json(request)
        signed = [name for name in _SIGNED_FIELDS if isinstance(body, dict) and name in body]
        if isinstance(body, dict) and signed:
            signature = sign(self.key, canonical_json(body[signed[0]]))
            _set_body(request, {**body, "signature": signature})
            return
        job = _JOB_IN_PATH.match(urlsplit(str(request.url)).path)
        message = unquote(job[1]).encode() if job else request.path_url.encode()
        request.headers["X-Signature"] = "sha256=" + sign(self.key, message)

    def _sign_2(self, request: PreparedRequest) -> None:
        at = str(int(time.time()))
        start = f"{at}.{request.method}.{request.path_url}.".encode()
        request.headers["X-Signature"] = f"t={at},v2={sign(self.key, start + _bytes(request))}"


def _operation(request: PreparedRequest) -> str:
    return f"{request.method} {re.sub(_UUID, '', urlsplit(str(request.url)).path)}"


def _die(request: PreparedRequest) -> int:
    return zlib.crc32(f"{request.method} {request.path_url} ".encode() + _bytes(request))


def _bytes(request: PreparedRequest) -> bytes:
    body = request.body or b""
    return body.encode() if isinstance(body, str) else bytes(body)


def _json(request: PreparedRequest) -> Any:
    try:
        return json.loads(_bytes(request))
    except ValueError:
        return None


def _set_body(request: PreparedRequest, document: object) -> None:
    request.body = json.dumps(document).encode()
    request.headers["Content-Length"] = str(len(request.body))


def _with_strings(node: Any, replaced: Callable[[str, str], str], name: str = "") -> Any:
    """The document with every string replaced; `name` is that of the member it stands in."""
    if isinstance(node, str):
        return replaced(node, name)
    if isinstance(node, dict):
        return {key: _with_strings(child, replaced, key) for key, child in node.items()}
    if isinstance(node, list):
        return [_with_strings(child, replaced, name) for child in node]
    return node

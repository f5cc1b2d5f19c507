"""Who sent this request, by either scheme of signatures (docs/api.md §2)."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn
from urllib.parse import urlsplit
from uuid import UUID

from flask import Request
from structlog.contextvars import bind_contextvars

from generation_service.api.senders import sender_of
from generation_service.core.errors import ServiceError
from generation_service.core.limits import SIGNATURE_SECONDS
from generation_service.core.settings import Network
from generation_service.core.signatures import (
    Keys,
    Signatures,
    client_of,
    is_stamped,
    read_stamped,
    request_message,
)
from generation_service.db.jobs import Job

SIGNATURE_HEADER: Final = "X-Signature"
CLIENT_HEADER: Final = "X-Client"

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SCHEME_2: Final = (
    f'Set the {SIGNATURE_HEADER} header to "t=<unix seconds>,v2=" and the hex HMAC-SHA256 of '
    "<unix seconds>.<METHOD>.<path and query>.<body>, all as sent."
)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who signed a request; `signature` is scheme 2's hex, or None."""

    client: str
    signature: str | None = None


class BodySignature:
    """What a request with a body is signed over, as its pieces come in.

    With a header of scheme 2 those are the bytes as `sent`; else what is `signed` of its content.
    """

    def __init__(self, keys: Keys, request: Request) -> None:
        self.header = _stamped_header(request)
        self.stamped = read_stamped(self.header) if self.header else None
        self.presented: object = None
        """The body's own field `signature`, of scheme 1."""
        self._signatures = Signatures(keys)
        if self.stamped:
            target = request_target(request)
            self._signatures.update(request_message(self.stamped.time, request.method, target, b""))

    def sent(self, piece: bytes) -> None:
        if self.stamped:
            self._signatures.update(piece)

    def signed(self, piece: bytes) -> None:
        if not self.header:
            self._signatures.update(piece)

    def client(self, presented: object) -> str | None:
        return self._signatures.client(presented)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """Tells who sent a request, by either scheme, or raises ServiceError.

    A request that nobody is known to have signed is a 403 where its body orders work, else a 401;
    `count_bad` counts it against its address first, and may refuse it in its own way.
    """

    keys: Keys
    accept_v1: bool
    trusted_proxies: Sequence[Network]
    poll: Callable[[str], None]
    """Counts a polling request of a client, or refuses it (429)."""
    count_bad: Callable[[str], None]
    read_body: Callable[[Request], bytes]
    now: Callable[[], float]
    """The database's clock, in Unix seconds."""

    def body_signature(self, request: Request) -> "BodySignature":
        """What the signature of a body will be judged by; to be fed as the body is read."""
        return BodySignature(self._keys_to_try(request), request)

    def body_client(self, request: Request, signature: "BodySignature", field: str) -> Sender:
        """Who signed the whole request, or at least the field of its body; else 403."""
        code = "invalid_body_signature"
        if signature.header:
            return self._stamped_sender(request, signature, code)
        self._insist_on_scheme_2(request, code)
        client = signature.client(signature.presented)
        if client is None:
            self.refuse(
                request,
                code,
                f'Set "signature" to the hex HMAC-SHA256 of "{field}" written as JSON '
                "without spaces, with sorted keys and ASCII escapes.",
            )
        return _known(Sender(client))

    def job_client(self, request: Request, job_id: str) -> tuple[str, UUID]:
        """Who asks about a job, and its id; counted as polling.

        The signature (401) comes before the id (404), so strangers can't tell which jobs exist.
        """
        client, found = self.job_looker(request, job_id)
        self.poll(client)
        if found is None:
            raise _no_such_job()
        return client, found

    def job_looker(self, request: Request, job_id: str) -> tuple[str, UUID | None]:
        """Who asks about a job, and its id, None for what is none; yet to be counted as polling.

        Scheme 1 covers the job id as it stands in the path.
        """
        sender = self._header_sender(request, job_id.encode(), "the job id")
        if not _UUID.fullmatch(job_id):
            return sender.client, None
        found = UUID(job_id)
        bind_contextvars(job=str(found))
        return sender.client, found

    def target_client(self, request: Request) -> str:
        """Who asks for a path and query, which scheme 1 covers as sent; counted as polling."""
        sender = self._header_sender(
            request, request_target(request), "the path and query, as sent"
        )
        self.poll(sender.client)
        return sender.client

    def anyone(self, request: Request) -> None:
        """Let an unsigned request in, as polling of its address."""
        self.poll(f"address:{sender_of(request, self.trusted_proxies)}")

    def refuse(self, request: Request, code: str, message: str) -> NoReturn:
        """Answer that nobody is known to have signed this, once it is counted."""
        self.count_bad(sender_of(request, self.trusted_proxies))
        raise ServiceError(code, message)

    def _header_sender(self, request: Request, message: bytes, signed: str) -> Sender:
        code = "invalid_signature"
        if _stamped_header(request):
            signature = self.body_signature(request)
            signature.sent(self._idle_body(request))
            return self._stamped_sender(request, signature, code)
        self._insist_on_scheme_2(request, code)
        presented = request.headers.get(SIGNATURE_HEADER)
        client = client_of(self._keys_to_try(request), message, presented)
        if client is None:
            self.refuse(
                request,
                code,
                f'Set the {SIGNATURE_HEADER} header to "sha256=" and the hex HMAC-SHA256 of '
                f"{signed}.",
            )
        return _known(Sender(client))

    def _stamped_sender(self, request: Request, signature: "BodySignature", code: str) -> Sender:
        stamped = signature.stamped
        if stamped is None:
            self.refuse(request, code, _SCHEME_2)
        client = signature.client(stamped.digest)
        if client is None:
            self.refuse(request, code, _SCHEME_2)
        if abs(self.now() - stamped.time) > SIGNATURE_SECONDS:
            self.refuse(
                request,
                code,
                f"The signature's time is more than {SIGNATURE_SECONDS} s from the service's.",
            )
        return _known(Sender(client, stamped.digest))

    def _idle_body(self, request: Request) -> bytes:
        """A body sent to where none is read, which scheme 2 covers all the same."""
        if not request.content_length and "Transfer-Encoding" not in request.headers:
            return b""
        body = self.read_body(request)
        if b"." in body:  # else the end of a captured query could be passed off as a body
            self.refuse(request, "invalid_signature", "Send no body: none is read here.")
        return body

    def _keys_to_try(self, request: Request) -> Keys:
        named = request.headers.get(CLIENT_HEADER)
        return {named: self.keys.get(named, ())} if named else self.keys

    def _insist_on_scheme_2(self, request: Request, code: str) -> None:
        if not self.accept_v1:
            self.refuse(request, code, _SCHEME_2)


def own_job(job: Job | None) -> Job:
    """The job that was found; else the 404 that somebody else's job gets too."""
    if job is None:
        raise _no_such_job()
    return job


def request_target(request: Request) -> bytes:
    """Path and query as they stood in the request line, percent signs and order untouched."""
    target = str(request.environ["RAW_URI"])
    if not target.startswith("/"):  # RFC 9112 §3.2.2: a proxy may send the absolute form
        parts = urlsplit(target)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return target.encode("latin-1")


def _stamped_header(request: Request) -> str | None:
    header = request.headers.get(SIGNATURE_HEADER)
    return header if is_stamped(header) else None


def _no_such_job() -> ServiceError:
    return ServiceError("not_found", "There is no job with this id.")


def _known(sender: Sender) -> Sender:
    bind_contextvars(client=sender.client)
    return sender

"""Who sent this request? Signature scheme 1 (docs/api.md §2)."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from flask import Request
from structlog.contextvars import bind_contextvars

from generation_service.core.errors import ServiceError
from generation_service.core.signatures import Keys, canonical_json, client_of
from generation_service.db.jobs import Job

SIGNATURE_HEADER: Final = "X-Signature"

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def body_client(keys: Keys, body: Mapping[str, object], signed_field: str) -> str:
    """The client whose `signature` in the body covers the field, as received; else 403."""
    presented = body.get("signature")
    client = client_of(keys, canonical_json(body.get(signed_field)), presented)
    if client is None:
        raise ServiceError(
            "invalid_body_signature",
            f'Set "signature" to the hex HMAC-SHA256 of "{signed_field}" written as JSON without '
            "spaces, with sorted keys and ASCII escapes.",
        )
    return _known(client)


def job_client(keys: Keys, request: Request, job_id: str) -> tuple[str, UUID]:
    """The client whose X-Signature covers the job id as it stands in the path, and the id.

    The signature (401) comes before the id (404), so strangers can't tell which jobs exist.
    """
    client = _header_client(keys, request, job_id.encode(), "the job id")
    if not _UUID.fullmatch(job_id):
        raise _no_such_job()
    found = UUID(job_id)
    bind_contextvars(job=str(found))
    return client, found


def own_job(job: Job | None) -> Job:
    """The job that was found; else the 404 that somebody else's job gets too."""
    if job is None:
        raise _no_such_job()
    return job


def target_client(keys: Keys, request: Request) -> str:
    """The client whose X-Signature covers the path and query exactly as sent; else 401."""
    return _header_client(keys, request, request_target(request), "the path and query, as sent")


def request_target(request: Request) -> bytes:
    """Path and query as they stood in the request line, percent signs and order untouched."""
    target = str(request.environ["RAW_URI"])
    if not target.startswith("/"):  # RFC 9112 §3.2.2: a proxy may send the absolute form
        parts = urlsplit(target)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return target.encode("latin-1")


def _header_client(keys: Keys, request: Request, message: bytes, signed: str) -> str:
    client = client_of(keys, message, request.headers.get(SIGNATURE_HEADER))
    if client is None:
        raise ServiceError(
            "invalid_signature",
            f'Set the {SIGNATURE_HEADER} header to "sha256=" and the hex HMAC-SHA256 of {signed}.',
        )
    return _known(client)


def _no_such_job() -> ServiceError:
    return ServiceError("not_found", "There is no job with this id.")


def _known(client: str) -> str:
    bind_contextvars(client=client)
    return client

"""Requests that come more than once: who answers them, and what the others get (docs/api.md §3)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from generation_service.core.charges import Account, Tally
from generation_service.core.errors import ServiceError
from generation_service.core.idempotency import Identity
from generation_service.core.limits import LEASE_SECONDS
from generation_service.db import idempotency
from generation_service.db.idempotency import Claim

Admit = Callable[[Connection], None]
"""Counts a generation in the caller's transaction; ServiceError when the limit is reached."""

_IN_PROGRESS_RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """`replayed`: it is an earlier request's. `billed`: what OpenAI was paid for this one."""

    status: int
    document: Mapping[str, Any]
    replayed: bool = False
    billed: Mapping[Account, Tally] = field(default_factory=dict)


def known(connection: Connection, identity: Identity) -> Answer | ServiceError | None:
    """What an earlier request has left: its answer, or why this one is refused.

    None when there is none, or one that is worth trying again: after a crash, when translations
    are missing, when the job failed or was cancelled.
    """
    earlier = idempotency.find(connection, identity)
    if earlier is None:
        return None
    if earlier.body_hash != identity.body_hash:
        return _key_reused()
    if earlier.open:
        return None
    if not _signature_is_its_own(connection, identity):
        return _signature_reused()
    if earlier.outcome is None:
        return in_progress()
    return Answer(earlier.outcome.status_code, earlier.outcome.answer, replayed=True)


def claim(connection: Connection, identity: Identity) -> Claim | None:
    """Claim the request for a lease's time; None when another one of its identity holds it."""
    if not _signature_is_its_own(connection, identity):
        raise _signature_reused()
    return idempotency.claim(connection, identity, uuid4(), lease_seconds=LEASE_SECONDS)


def _signature_is_its_own(connection: Connection, identity: Identity) -> bool:
    """Whether no request under another key had the signature; from now on it belongs to this one.

    The Idempotency-Key is not signed, so whoever captured a request could send it under a new one.
    """
    return identity.signature is None or idempotency.note_signature(connection, identity)


def in_progress() -> ServiceError:
    return ServiceError(
        "in_progress",
        "The same request is being worked on; send it again to get its answer.",
        retry_after=_IN_PROGRESS_RETRY_SECONDS,
    )


def _key_reused() -> ServiceError:
    return ServiceError(
        "idempotency_key_reused",
        "This Idempotency-Key came with another body; send a new key, or the first body.",
    )


def _signature_reused() -> ServiceError:
    return ServiceError(
        "signature_reused",
        "This signature came with another Idempotency-Key; sign the request anew.",
    )

"""Whether a request repeats an earlier one (docs/api.md §3).

With an Idempotency-Key header, the header says so; without, the content does. Content is what the
answer depends on: `version`, `languages`, `metadata` and `lots` as received, so that order and
spelling count, while the signature (another with another key) and ignored fields do not.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

from generation_service.core.limits import MAX_IDEMPOTENCY_KEY_CHARS
from generation_service.core.signatures import canonical_json

_ANSWERED_FIELDS: Final = ("version", "languages", "metadata")
_HEADER: Final = re.compile(rf"[ -~]{{1,{MAX_IDEMPOTENCY_KEY_CHARS}}}")


class InvalidKeyError(ValueError):
    """The Idempotency-Key header is not what a key may be."""


class State(StrEnum):
    """What became of a request.

    RUNNING: it is worked on, as long as its lease lasts; DONE: its answer stands;
    UNFINISHED: it was answered, without some of the translations.
    """

    RUNNING = "running"
    DONE = "done"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whose request it is and which one; `signature` is scheme 2's, which may order only once."""

    client: str
    key: str
    body_hash: str
    signature: str | None


def identity(
    members: Mapping[str, object],
    lots_hash: bytes,
    *,
    client: str,
    header: str | None,
    signature: str | None,
) -> Identity:
    """Identify a request by its Idempotency-Key, else by its content; raises InvalidKeyError.

    `lots_hash` is the SHA-256 of its lots in canonical JSON.
    """
    content = body_hash(members, lots_hash)
    # The prefixes keep a header that looks like a hash apart from the hash.
    key = f"body:{content}" if header is None else f"header:{_checked(header)}"
    return Identity(client=client, key=key, body_hash=content, signature=signature)


def body_hash(members: Mapping[str, object], lots_hash: bytes) -> str:
    """Hex SHA-256 of what the answer depends on, in canonical JSON."""
    digest = sha256(canonical_json([members.get(name) for name in _ANSWERED_FIELDS]))
    digest.update(lots_hash)
    return digest.hexdigest()


def _checked(header: str) -> str:
    if not _HEADER.fullmatch(header):
        raise InvalidKeyError(
            f"Must be 1 to {MAX_IDEMPOTENCY_KEY_CHARS} printable ASCII characters."
        )
    return header

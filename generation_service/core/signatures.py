"""Who sent this? HMAC-SHA256 signatures of requests (docs/api.md §2)."""

import hmac
import json
from collections.abc import Mapping
from typing import Final

Keys = Mapping[str, tuple[str, ...]]
"""Client name -> its keys. The first signs what the service sends; all of them are accepted."""

_PREFIX: Final = b"sha256="


def canonical_json(value: object) -> bytes:
    """The bytes that both sides sign for a JSON value: ASCII, no spaces, sorted keys.

    Keys are sorted by Unicode code point at every depth. JavaScript's default sort compares
    UTF-16 units instead, which differs once a key holds a character past U+FFFF.
    """
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode("ascii")


def sign(key: str, message: bytes) -> str:
    """Lower-case hex of HMAC-SHA256 with the key's UTF-8 bytes."""
    return hmac.digest(key.encode(), message, "sha256").hex()


def client_of(keys: Keys, message: bytes, presented: object) -> str | None:
    """The client one of whose keys made `presented` (hex, or `sha256=` and hex), or None.

    Every key is tried in constant time, whether or not one has matched already, so that the time
    taken tells nothing. Bytes are compared because `compare_digest` refuses non-ASCII text.
    """
    if not isinstance(presented, str):
        return None
    digest = presented.encode(errors="replace").removeprefix(_PREFIX).lower()
    found = None
    for client, secrets in keys.items():
        for key in secrets:
            if hmac.compare_digest(digest, sign(key, message).encode()):
                found = client
    return found

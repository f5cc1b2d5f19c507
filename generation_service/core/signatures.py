"""Who sent this? HMAC-SHA256 signatures of requests (docs/api.md §2).

Scheme 1 signs one thing of a request: its lots, a job id, or a path with its query. Scheme 2 signs
the whole request and the time. What one scheme signs never has the form of what the other signs: a
message of scheme 2 begins with a digit, as no path does; has a slash, as no job id does; and is no
JSON.
"""

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Keys = Mapping[str, tuple[str, ...]]
"""Client name -> its keys. The first signs what the service sends; all of them are accepted."""

_PREFIX: Final = b"sha256="
_STAMPED_PREFIX: Final = "t="
_canonical: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode
_STAMPED: Final = re.compile(r"t=([1-9][0-9]{0,11}),v2=([0-9a-fA-F]{64})")


def canonical_json(value: object) -> bytes:
    """The bytes that both sides sign for a JSON value: ASCII, no spaces, sorted keys.

    Keys are sorted by Unicode code point at every depth. JavaScript's default sort compares
    UTF-16 units instead, which differs once a key holds a character past U+FFFF.
    """
    return _canonical(value).encode("ascii")


def sign(key: str, message: bytes) -> str:
    """Lower-case hex of HMAC-SHA256 with the key's UTF-8 bytes."""
    return hmac.digest(key.encode(), message, "sha256").hex()


class Signatures:
    """Those of one message, given piece by piece, with every key it may have been signed with."""

    def __init__(self, keys: Keys) -> None:
        self._digests = [
            (client, hmac.new(key.encode(), digestmod="sha256"))
            for client, secrets in keys.items()
            for key in secrets
        ]

    def update(self, piece: bytes) -> None:
        for _, digest in self._digests:
            digest.update(piece)

    def client(self, presented: object) -> str | None:
        """The client one of whose keys made `presented` (hex, or `sha256=` and hex), or None.

        Every key is compared in constant time, whether or not one has matched already, so that the
        time taken tells nothing. Bytes are compared because `compare_digest` refuses non-ASCII
        text.
        """
        if not isinstance(presented, str):
            return None
        wanted = presented.encode(errors="replace").removeprefix(_PREFIX).lower()
        found = None
        for client, digest in self._digests:
            if hmac.compare_digest(wanted, digest.hexdigest().encode()):
                found = client
        return found


def client_of(keys: Keys, message: bytes, presented: object) -> str | None:
    """The client one of whose keys made `presented` for the message, or None."""
    signatures = Signatures(keys)
    signatures.update(message)
    return signatures.client(presented)


@dataclass(frozen=True, slots=True)
class Stamped:
    """A header of scheme 2: Unix seconds, and the lower-case hex of the signature."""

    time: int
    digest: str


def is_stamped(header: str | None) -> bool:
    """Whether a header means to be of scheme 2, well-formed or not."""
    return header is not None and header.startswith(_STAMPED_PREFIX)


def read_stamped(header: str) -> Stamped | None:
    """Read `t=<unix seconds>,v2=<hex>`; None if it is anything else."""
    found = _STAMPED.fullmatch(header)
    return Stamped(int(found[1]), found[2].lower()) if found else None


def request_message(time: int, method: str, target: bytes, body: bytes) -> bytes:
    """What scheme 2 signs; `target` is path and query, `body` the bytes, both exactly as sent.

    Dots part the pieces and are not escaped: a dot of the query can be passed off as the one before
    the body. So whoever reads no body must insist that it holds no dot.
    """
    return b".".join((str(time).encode(), method.encode(), target, body))

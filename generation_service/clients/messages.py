"""What is asked of a stranger's server, and what came of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Enough = Callable[[int, Mapping[str, str], bytes], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request to a URL that somebody else chose.

    `total_seconds` bounds everything from the look-up of the name to the last byte, redirects
    included; `connect_seconds` bounds look-up, TCP and TLS of each hop. Of the body at most
    `max_bytes` are read, counted after decompression. `redirects` is how many are followed
    (only of a GET). `enough(status, headers, body so far)` ends the transfer with success as
    soon as it is true; it is asked whenever bytes of the final answer arrive. The `asker` is whose
    URL it is: its slow names hold up nobody else's.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    connect_seconds: float
    total_seconds: float
    max_bytes: int
    redirects: int = 0
    enough: Enough | None = None
    asker: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a request ended: a status, an error, or both (the body broke off).

    `headers` have names in lower case; of a repeated one the first stands. `error` is one of
    bad_url, address_refused, dns_failed, connect_failed, tls_failed, timeout, network_error,
    too_many_redirects, host_parked; `message` says it in words, without resolved addresses.
    A body cut at `max_bytes` is no error. `seconds` leaves out the time spent in
    a queue, and that in which nobody looked after the transfers.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str | None = None
    message: str = ""
    seconds: float = 0.0

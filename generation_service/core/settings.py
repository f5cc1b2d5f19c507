"""How the text of each kind of setting is read; a ValueError says what would be right."""

import base64
import binascii
import re
from collections.abc import Callable
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final
from urllib.parse import urlsplit

from generation_service.core.limits import (
    MAX_CLIENT_NAME_CHARS,
    MAX_ENQUEUED_LIMIT,
    MAX_WEBHOOK_ATTEMPTS,
    MIN_KEY_CHARS,
)

Network = IPv4Network | IPv6Network
_CLIENT: Final = re.compile(rf"[A-Za-z0-9._-]{{1,{MAX_CLIENT_NAME_CHARS}}}")
_MIN_SECRET_BYTES: Final = 24  # Standard Webhooks: 24 to 64 bytes


def integer(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,18}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {text!r}")
        return int(text)

    return read


def number(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}, not {text!r}")
        return value

    return read


def dollars(text: str) -> Decimal:
    """Read an amount of US dollars above zero."""
    if not re.fullmatch(r"\d{1,9}(?:\.\d{1,6})?", text, re.ASCII) or not Decimal(text):
        raise ValueError(
            f"must be an amount of US dollars above 0, such as 25 or 0.5, not {text!r}"
        )
    return Decimal(text)


def one_of(*allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            choices = ", ".join(repr(choice) for choice in allowed)
            raise ValueError(f"must be one of {choices}, not {text!r}")
        return text

    return read


def header_text(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise ValueError("must be printable ASCII; it looks as if something else was pasted in")
    return text


def key(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must hold no control characters and be valid UTF-8")
    if len(text) < MIN_KEY_CHARS:
        raise ValueError(f"must have at least {MIN_KEY_CHARS} characters, this has {len(text)}")
    return text


def password(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must hold no control characters and be valid UTF-8")
    return text


def flag(text: str) -> bool:
    return one_of("true", "false")(text.lower()) == "true"


def database_url(text: str) -> str:
    if not re.match(r"(postgres|postgresql|postgresql\+psycopg2)://", text):
        raise ValueError("must start with postgresql://")
    if not _is_url(text):
        raise ValueError("is not a valid URL; in user and password write @ : / as %40 %3A %2F")
    return text


def _is_url(text: str) -> bool:
    """Whether it has one host and a port that is a number, in this order."""
    try:
        parts = urlsplit(text)
        return parts.netloc.count("@") <= 1 and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def http_url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+\S*", text) or not _is_url(text):
        raise ValueError(f"must be an http or https URL, not {text!r}")
    return text.rstrip("/")


def hosts(text: str) -> frozenset[tuple[str, int]]:
    hosts = set()
    for entry in filter(None, (part.strip() for part in text.split(","))):
        host, _, port = entry.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) <= 65535:  # noqa: PLR2004 - TCP's highest port
            raise ValueError(f"must be a list of host:port, with the port, not {entry!r}")
        hosts.add((host.strip("[]").lower(), int(port)))
    return frozenset(hosts)


def token_limits(text: str) -> dict[str, int]:
    limits = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        model, _, limit = entry.rpartition(":")
        if not model or not limit.isdecimal():
            raise ValueError(f"must be a list of model:tokens, not {entry!r}")
        limits[model] = integer(1, MAX_ENQUEUED_LIMIT)(limit)
    return limits


def schedule(text: str) -> tuple[float, ...]:
    read = number(0, 86_400)
    delays = tuple(read(part.strip()) for part in text.split(","))
    if len(delays) > MAX_WEBHOOK_ATTEMPTS:
        raise ValueError(
            f"must have at most {MAX_WEBHOOK_ATTEMPTS} delays, one before each attempt"
        )
    return delays


def client_keys(text: str) -> dict[str, tuple[str, ...]]:
    """Read `acme:KEY,beta:KEY1|KEY2`; a key may hold neither comma nor bar."""
    return {
        client: tuple(key(part) for part in keys.split("|"))
        for client, keys in _by_client(text).items()
    }


def webhook_secrets(text: str) -> dict[str, str]:
    """Read `acme:whsec_…,beta:whsec_…`."""
    return {client: webhook_secret(secret) for client, secret in _by_client(text).items()}


def webhook_secret(text: str) -> str:
    try:
        decoded = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        decoded = b""
    if not text.startswith("whsec_") or len(decoded) < _MIN_SECRET_BYTES:
        raise ValueError(
            f"must be whsec_ and the base64 of at least {_MIN_SECRET_BYTES} bytes, "
            "for example from: echo whsec_$(openssl rand -base64 32)"
        )
    return text


def _by_client(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for number, entry in enumerate(text.split(","), start=1):
        client, colon, value = entry.strip().partition(":")
        if not (colon and _CLIENT.fullmatch(client)) or client in values:
            # The entry itself is not shown: it may be a key whose client was forgotten.
            raise ValueError(
                "must be a list of client:value, each client once, its name of letters, digits "
                f"and . _ - ; entry {number} is not"
            )
        values[client] = value
    return values


def networks(text: str) -> tuple[Network, ...]:
    """Read addresses and networks, `10.0.0.7,192.168.0.0/24`."""
    try:
        return tuple(
            ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip()
        )
    except ValueError as error:
        raise ValueError(f"must be a list of addresses or networks: {error}") from None

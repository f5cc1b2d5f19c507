"""URLs of strangers, read once and rebuilt for curl.

Two parsers that disagree about the host of a URL are the classical hole in a guard like this
one, so curl never sees a URL as it came: it gets the rebuilt one, whose host is the very text
that was judged. Hosts are read as browsers read them (WHATWG URL, "host parsing"): 127.1,
0x7f.1 and fullwidth digits are IPv4 literals, and a name is turned into IDNA ASCII.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final
from urllib.parse import quote, urljoin

import idna

_URL: Final = re.compile(r"(https?)://([^/?#\\]*)(/[^?#]*)?(\?[^#]*)?(?:#.*)?", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]@%\s]+)(?::([0-9]{0,8}))?")
_NAME: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_NUMBER: Final = re.compile(r"0x[0-9a-f]*|[0-9]+")
_MAX_NAME_CHARS: Final = 253  # RFC 1035, without the trailing dot
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MAX_PORT: Final = 65_535
_IPV4_PARTS: Final = 4
_BYTE: Final = 256
_KEPT: Final = "%/:@!$&'()*+,;=~[]?"  # what percent-encoding leaves alone in paths and queries


class BadUrlError(ValueError):
    """The URL can't be used; the message says why, fit to be shown to its sender."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads: `host` is an ASCII name in lower case or an IP address as text."""

    scheme: str
    host: str
    port: int
    url: str
    is_literal: bool

    @property
    def key(self) -> tuple[str, int]:
        return (self.host, self.port)


def parse_target(url: str) -> Target:
    """Read and rebuild an http(s) URL; raises BadUrlError.

    Spaces around it and the fragment are dropped; non-ASCII characters and spaces in path and
    query are percent-encoded, sequences already encoded stay. Credentials are refused rather
    than sent: nobody signs a photo or a webhook by them, and `http://good@evil/` is how hosts
    are disguised.
    """
    trimmed = url.strip(" ")
    if _CONTROL.search(trimmed):
        raise BadUrlError("The URL contains control characters.")
    match = _URL.fullmatch(trimmed)
    if match is None:
        raise BadUrlError("The URL is not of the form http(s)://host[:port]/path.")
    scheme = match[1].lower()
    host, port, is_literal = _authority(match[2], _DEFAULT_PORTS[scheme])
    place = f"[{host}]" if ":" in host else host
    suffix = "" if port == _DEFAULT_PORTS[scheme] else f":{port}"
    rest = _encoded((match[3] or "/") + (match[4] or ""))
    return Target(scheme, host, port, f"{scheme}://{place}{suffix}{rest}", is_literal)


def redirected(target: Target, location: str) -> Target:
    """The target that a Location header names, relative or not; raises BadUrlError."""
    try:
        return parse_target(urljoin(target.url, location))
    except ValueError as error:  # urljoin's own, for brackets that make no host
        raise BadUrlError(f"The redirect leads to no usable URL. {error}") from error


@lru_cache(maxsize=4096)
def _authority(text: str, default_port: int) -> tuple[str, int, bool]:
    if "@" in text:
        raise BadUrlError("The URL contains credentials.")
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        raise BadUrlError("The URL names no valid host.")
    port = int(match[2] or default_port)
    if not 1 <= port <= _MAX_PORT:
        raise BadUrlError("The URL's port is out of range.")
    host, is_literal = _host(match[1])
    return host, port, is_literal


def _host(text: str) -> tuple[str, bool]:
    if text.startswith("["):
        return _ipv6(text[1:-1]), True
    name = _ascii(text).removesuffix(".")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return _ipv4(name), True
    if len(name) > _MAX_NAME_CHARS or not _NAME.fullmatch(name):
        raise BadUrlError("The URL's host is not a valid name.")
    return name, False


def _ascii(text: str) -> str:
    if text.isascii():
        return text.lower()
    try:
        return idna.encode(text, uts46=True).decode().lower()
    except idna.IDNAError as error:
        raise BadUrlError("The URL's host is not a valid international name.") from error


def _ipv6(text: str) -> str:
    try:
        return str(IPv6Address(text))
    except AddressValueError as error:
        raise BadUrlError("The URL's host is not a valid IPv6 address.") from error


def _ipv4(text: str) -> str:
    """WHATWG's IPv4 parser: up to four parts, each decimal, octal (0…) or hex (0x…)."""
    parts = text.split(".")
    if len(parts) > _IPV4_PARTS or not all(_NUMBER.fullmatch(part) for part in parts):
        raise BadUrlError("The URL's host is not a valid IPv4 address.")
    try:
        *leading, last = (_number(part) for part in parts)
        value = last + sum(part << 8 * (3 - place) for place, part in enumerate(leading))
        fits = all(part < _BYTE for part in leading) and last < _BYTE ** (5 - len(parts))
        return str(IPv4Address(value if fits else -1))
    except ValueError as error:  # an 8 or 9 in an octal part, or too large
        raise BadUrlError("The URL's host is not a valid IPv4 address.") from error


def _number(part: str) -> int:
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, 8 if part.startswith("0") else 10)


def _encoded(rest: str) -> str:
    try:
        return quote(rest, safe=_KEPT)
    except UnicodeEncodeError as error:  # a lone surrogate
        raise BadUrlError("The URL contains characters that are not text.") from error

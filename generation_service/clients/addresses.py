"""Which addresses may be dialled: one decision, made for the very address of each socket.

The table is our own. Python's `is_private` and `is_global` follow the registries of the
interpreter's release and let through, among others, 6to4 and NAT64 forms (a private IPv4
address in IPv6 clothes), multicast and Azure's 168.63.129.16.
"""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from generation_service.clients.urls import BadUrlError, parse_target

Allowed = frozenset[tuple[str, int]]
_Rules = tuple[tuple[IPv4Network | IPv6Network, str], ...]

NOBODY: Final[Allowed] = frozenset()


def _rules(table: dict[str, str]) -> _Rules:
    return tuple((ip_network(network), why) for network, why in table.items())


# Refused whatever is allowed: what hands out credentials of the machine itself, and IPv4
# addresses in IPv6 clothes, which could hide just that.
_NEVER: Final = _rules(
    {
        "169.254.0.0/16": "link-local, with the clouds' metadata services (RFC 3927)",
        "168.63.129.16/32": "Azure's host service",
        "100.100.100.200/32": "Alibaba Cloud's metadata service",
        "192.0.0.192/32": "Oracle Cloud's metadata service",
        "fe80::/10": "link-local (RFC 4291)",
        "fd00:ec2::254/128": "AWS's metadata service",
        "fd20:ce::254/128": "Google Cloud's metadata service",
        "fd00:42::42/128": "Scaleway's metadata service",
        "::ffff:0:0/96": "IPv4-mapped (RFC 4291)",
        "::ffff:0:0:0/96": "IPv4-translated (RFC 2765)",
        "64:ff9b::/96": "NAT64 (RFC 6052)",
        "64:ff9b:1::/48": "local NAT64 (RFC 8215)",
        "2001::/32": "Teredo (RFC 4380)",
        "2002::/16": "6to4 (RFC 3056)",
    }
)

# Refused unless the operator names the host and port. The first match gives the reason; the
# last line says that of IPv6 only 2000::/3 is global unicast, so that what is not listed
# above it, or not invented yet, is refused too.
_NOT_PUBLIC: Final = _rules(
    {
        "0.0.0.0/8": "this network (RFC 1122)",
        "10.0.0.0/8": "private (RFC 1918)",
        "100.64.0.0/10": "carrier-grade NAT (RFC 6598)",
        "127.0.0.0/8": "loopback (RFC 1122)",
        "172.16.0.0/12": "private (RFC 1918)",
        "192.0.0.0/24": "protocol assignments (RFC 6890)",
        "192.0.2.0/24": "documentation (RFC 5737)",
        "192.88.99.0/24": "6to4 relays (RFC 7526)",
        "192.168.0.0/16": "private (RFC 1918)",
        "198.18.0.0/15": "benchmarking (RFC 2544)",
        "198.51.100.0/24": "documentation (RFC 5737)",
        "203.0.113.0/24": "documentation (RFC 5737)",
        "224.0.0.0/4": "multicast (RFC 5771)",
        "255.255.255.255/32": "broadcast (RFC 919)",
        "240.0.0.0/4": "reserved (RFC 1112)",
        "::/128": "unspecified (RFC 4291)",
        "::1/128": "loopback (RFC 4291)",
        "::/96": "IPv4-compatible (RFC 4291)",
        "100::/64": "discard-only (RFC 6666)",
        "2001::/23": "protocol assignments (RFC 2928)",
        "2001:db8::/32": "documentation (RFC 3849)",
        "3fff::/20": "documentation (RFC 9637)",
        "5f00::/16": "segment routing (RFC 9602)",
        "fc00::/7": "unique local (RFC 4193)",
        "fec0::/10": "site-local (RFC 3879)",
        "ff00::/8": "multicast (RFC 4291)",
        "::/3": "not global unicast (RFC 4291)",
        "4000::/2": "not global unicast (RFC 4291)",
        "8000::/1": "not global unicast (RFC 4291)",
    }
)


def refusal(address: str, host: str, port: int, allowed_private: Allowed) -> str | None:
    """Why `address` must not be dialled for a URL of `host` and `port`; None when it may.

    `allowed_private` holds (host, port) pairs as operators write them, hosts in lower case and
    IPv6 without brackets; the host of the URL must be that very text. A named host is trusted
    with any address it resolves to, except link-local and metadata services. The reason never
    repeats the address, which would show strangers what an internal name resolves to.
    """
    never, not_public = _judged(address)
    if never or (not_public and (host, port) not in allowed_private):
        return f"The address of {host} is not public: {never or not_public}."
    return None


def literal_refusal(url: str, allowed_private: Allowed = NOBODY) -> str | None:
    """Why `url` can be refused before any name is looked up; None when it can't.

    That is: it is no usable URL, or its host is written as an address that is not public, or
    as localhost (RFC 6761), which needs no look-up either.
    """
    try:
        target = parse_target(url)
    except BadUrlError as error:
        return str(error)
    if target.is_literal:
        return refusal(target.host, target.host, target.port, allowed_private)
    is_local = target.host == "localhost" or target.host.endswith(".localhost")
    return refusal("127.0.0.1", *target.key, allowed_private) if is_local else None


@lru_cache(maxsize=4096)
def _judged(address: str) -> tuple[str | None, str | None]:
    return _first_match(address, _NEVER), _first_match(address, _NOT_PUBLIC)


def _first_match(address: str, rules: _Rules) -> str | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return "not an IP address"
    return next((why for network, why in rules if parsed in network), None)

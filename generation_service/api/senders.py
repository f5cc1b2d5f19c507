"""The address a request came from, past our own proxies (docs/api.md §7)."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from flask import Request

from generation_service.core.settings import Network

Address = IPv4Address | IPv6Address

UNKNOWN = "unknown"


def sender_of(request: Request, trusted: Sequence[Network]) -> str:
    """The address that bad signatures of a request count against."""
    forwarded = ",".join(request.headers.getlist("X-Forwarded-For"))
    return sender(request.remote_addr or "", forwarded, trusted)


def asked_host(request: Request) -> str:
    """The name or address in the Host header, without its port; "" for what is none."""
    try:
        return urlsplit(f"//{request.host}").hostname or ""
    except ValueError:  # brackets without an address in them
        return ""


def sender(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """The nearest address that is not one of our own proxies.

    Each proxy adds to the right of X-Forwarded-For whom it was called by; everything left of the
    last one that is not ours could have been made up. What can't be read ends the search: then it
    is the proxy's own address that counts.

    All of an IPv6 /64 is one sender, because that is the least a single customer is given.
    """
    nearest = None
    for hop in (peer, *reversed(forwarded.split(","))):
        address = _address(hop)
        if address is None:
            break
        nearest = address
        if not any(address in network for network in trusted):
            break
    return _name(nearest)


def _address(text: str) -> Address | None:
    """Read `203.0.113.7`, `203.0.113.7:4711`, `2001:db8::1` or `[2001:db8::1]:4711`."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _name(address: Address | None) -> str:
    if address is None:
        return UNKNOWN
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 64), strict=False))
    return str(address)

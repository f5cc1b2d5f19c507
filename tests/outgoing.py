"""Requests as tests make them: short deadlines, one answer at a time."""

from dataclasses import replace

from generation_service.clients.addresses import NOBODY, Allowed
from generation_service.clients.net import Answer, Outgoing, Transfers
from generation_service.clients.resolver import Lookup, Resolver, system_lookup

PLAIN = Outgoing(url="", connect_seconds=2, total_seconds=10, max_bytes=100_000)


def transfers(
    allowed: Allowed = NOBODY,
    *,
    at_once: int = 10,
    per_host: int = 10,
    lookup: Lookup | None = None,
) -> Transfers[str]:
    return Transfers(
        allowed_private=allowed,
        max_in_flight=at_once,
        max_per_host=per_host,
        resolver=Resolver(lookup or system_lookup),
    )


def answers(running: Transfers[str], seconds: float = 20) -> dict[str, Answer]:
    """Whatever is in flight, by tag."""
    found: dict[str, Answer] = {}
    while running.in_flight:
        news = running.wait(seconds)
        assert news, f"nothing ended within {seconds} s"
        found |= dict(news)
    return found


def fetch(
    url: str, allowed: Allowed = NOBODY, *, like: Outgoing = PLAIN, lookup: Lookup | None = None
) -> Answer:
    with transfers(allowed, lookup=lookup) as running:
        running.add("only", replace(like, url=url))
        return answers(running)["only"]

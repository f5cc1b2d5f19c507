"""Clients that each want one lot at once, and send their request again until they have it.

A direct call can't be looked up afterwards: when its answer is lost, nobody knows if it was billed.
So what a client repeats may be billed again, and nothing else may.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from tests.acceptance.client import Client, Lot

_UNKNOWN = frozenset({"openai_outcome_unknown", "openai_timeout"})
_SAID_WITHOUT_OPENAI = frozenset({"in_progress", "database_unavailable", "busy"})


@dataclass
class Caller:
    """`unknown` counts the requests that may have been billed though no text came of them."""

    key: str
    lot: Lot
    languages: Sequence[str]
    unknown: int = 0
    told: int = 0
    """How many of those the service told the client of; of the others the client heard nothing."""
    refused: int = 0
    """Requests that the model refused: that is billed, too."""
    answer: Any = None
    surprises: list[str] = field(default_factory=list)

    @property
    def photo(self) -> str:
        url: str = self.lot["images"][0]["url"]
        return url

    def ask(self, client: Client) -> None:
        try:
            status, answer = client.generate([self.lot], self.languages, key=self.key)
        except (OSError, HTTPException):  # killed, or about to be: no answer ever comes
            self.unknown += 1
            return
        errors = _errors(status, answer)
        if not errors:
            self.answer = answer
        elif _UNKNOWN & errors:
            self.unknown += 1
            self.told += 1
        elif "openai_refused" in errors:
            self.refused += 1
        elif not errors <= _SAID_WITHOUT_OPENAI | {"openai_error", "openai_rate_limited"}:
            self.surprises.append(f"a request for one lot was answered with {status}: {answer}")


def _errors(status: int, answer: Any) -> set[str]:
    if status != 200:
        return {answer["error"]}
    failed = answer["lots"][0].get("failed_languages", [])
    return {entry["error"]["code"] for entry in failed}


def faults(callers: Sequence[Caller], ledger: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is wrong with what clients have got, and with what was billed for it."""
    direct = [entry for entry in ledger if entry["kind"] == "direct"]
    described = Counter(url for entry in direct for url in entry["image_urls"])
    translated = Counter(entry["body_hash"] for entry in direct if not entry["image_urls"])
    most = max((caller.unknown + caller.refused for caller in callers), default=0)
    return [
        *(fault for caller in callers for fault in caller.surprises),
        *(f"{caller.key} was never answered" for caller in callers if not caller.answer),
        *(fault for caller in callers for fault in _overpaid(caller, described[caller.photo])),
        *(
            f"translation {body} was billed {times} times, though at most {most} answers were lost"
            for body, times in translated.items()
            if times > 1 + most
        ),
    ]


def _overpaid(caller: Caller, times: int) -> list[str]:
    if 1 <= times <= 1 + caller.unknown + caller.refused:
        return []
    return [f"{caller.key} was billed {times} times, {caller.unknown} answers were lost"]

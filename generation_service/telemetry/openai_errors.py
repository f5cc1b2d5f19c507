"""Errors of OpenAI: counted for /metrics and, by hour and code, for the operator's charts.

Which API a call belongs to is known to whoever makes it, and its error to the client that does:
`asked_for` carries the one to the other. What nobody asked for a description (a look at the models,
say) is not counted.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Final

from generation_service.telemetry import metrics

_API: ContextVar[str | None] = ContextVar("api that is asked", default=None)

NO_ANSWER: Final = "no_answer"
UNREACHABLE: Final = "unreachable"


@contextmanager
def asked_for(api: str) -> Iterator[None]:
    """Whatever this thread asks of OpenAI inside the block is for vision, or for translation."""
    token = _API.set(api)
    try:
        yield
    finally:
        _API.reset(token)


def note(code: str, times: int = 1) -> str | None:
    """Count errors with one of our codes; returns the API they are counted for, if any."""
    api = _API.get()
    if api is not None and times:
        metrics.openai_error(api, times)
        _unwritten.add({(api, code): times})
    return api


class Unwritten:
    """Errors by API and code that the database doesn't know yet."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, counts: Mapping[tuple[str, str], int]) -> None:
        with self._lock:
            self._counts.update(counts)

    def take(self) -> Mapping[tuple[str, str], int]:
        """All of them, once; whoever can't write them adds them again."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
        return taken


_unwritten = Unwritten()


def unwritten() -> Unwritten:
    """What this process has counted and not written."""
    return _unwritten

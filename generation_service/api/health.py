"""Asking whether something is alive without ever waiting long for the answer (docs/api.md §9)."""

import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Final, Generic, TypeVar

import structlog

from generation_service.db.availability import is_unavailable
from generation_service.telemetry.logs import in_context

FRESH_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 1.5

log = structlog.get_logger(__name__)
_T = TypeVar("_T")


class Latest(Generic[_T]):
    """What `look` found last; it looks when that is not fresh, and never twice at once.

    It does so in a thread of its own: a look that raises, or that has not ended when `patience` is
    over, found nothing. One that hangs is not begun again until it comes back, however many callers
    want to know.
    """

    def __init__(
        self,
        look: Callable[[], _T],
        *,
        fresh: float = FRESH_SECONDS,
        patience: float = PATIENCE_SECONDS,
        begin: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        """`begin` runs a look; in a thread, unless it is told otherwise."""
        self._begin = begin or _in_thread
        self._look = look
        self._fresh = fresh
        self._patience = patience
        self._lock = Lock()
        self._ended = Event()
        self._ended.set()
        self._found: _T | None = None
        self._began = 0.0
        self._ended_at = float("-inf")

    def ask(self) -> None:
        """Begin to look, unless that is under way or what was found is still fresh."""
        with self._lock:
            stale = time.monotonic() - self._ended_at >= self._fresh
            if stale and self._ended.is_set():
                self._ended.clear()
                self._began = time.monotonic()
                self._start()

    def _start(self) -> None:
        try:
            self._begin(in_context(self._run))
        except RuntimeError:  # there may be no more threads; the next caller tries again
            log.exception("health_check_failed")
            self._found = None
            self._ended.set()

    def get(self) -> _T | None:
        """What was found, waiting for a look under way while patience lasts."""
        self.ask()
        left = self._began + self._patience - time.monotonic()
        return self._found if self._ended.wait(max(left, 0)) else None

    def _run(self) -> None:
        found = None
        try:
            found = self._look()
        except Exception as error:  # whatever it is, the thing asked about is not well
            if is_unavailable(error):
                log.warning("health_check_failed", reason=str(error).splitlines()[0])
            else:
                log.exception("health_check_failed")
        with self._lock:
            self._found = found
            self._ended_at = time.monotonic()
            self._ended.set()


def _in_thread(work: Callable[[], None]) -> None:
    Thread(target=work, daemon=True).start()


class Pulse:
    """Whether something is alive, as far as that was found out within the last second."""

    def __init__(self, check: Callable[[], bool], *, patience: float = PATIENCE_SECONDS) -> None:
        self._latest = Latest(check, patience=patience)

    def ask(self) -> None:
        self._latest.ask()

    def beats(self) -> bool:
        """Whether the last check said yes; no answer is a no."""
        return bool(self._latest.get())

"""Asking whether something is alive without ever waiting long for the answer (docs/api.md §9)."""

import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Final

import structlog

from generation_service.db.availability import is_unavailable

FRESH_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 1.5

log = structlog.get_logger(__name__)


class Pulse:
    """Asks `check` at most once a second and never twice at once, in a thread of its own.

    A check that raises, or that has not answered 1.5 s after it began, counts as no. One that
    hangs is not asked again until it comes back, however many callers want to know.
    """

    def __init__(self, check: Callable[[], bool], *, patience: float = PATIENCE_SECONDS) -> None:
        self._check = check
        self._patience = patience
        self._lock = Lock()
        self._answered = Event()
        self._answered.set()
        self._answer = False
        self._began = self._ended = -FRESH_SECONDS

    def ask(self) -> None:
        """Start a check unless one is under way or the last answer is still fresh."""
        with self._lock:
            stale = time.monotonic() - self._ended >= FRESH_SECONDS
            if stale and self._answered.is_set():
                self._answered.clear()
                self._began = time.monotonic()
                Thread(target=self._run, daemon=True).start()

    def beats(self) -> bool:
        """Whether the last check said yes; waits for one under way while patience lasts."""
        self.ask()
        left = self._began + self._patience - time.monotonic()
        return self._answered.wait(max(left, 0)) and self._answer

    def _run(self) -> None:
        alive = False
        try:
            alive = self._check()
        except Exception as error:  # whatever it is, the thing asked about is not well
            if is_unavailable(error):
                log.warning("health_check_failed", reason=str(error).splitlines()[0])
            else:
                log.exception("health_check_failed")
        with self._lock:
            self._answer = alive
            self._ended = time.monotonic()
            self._answered.set()

"""Keeps a claim alive while its IO runs."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

from generation_service.core.limits import LEASE_SECONDS
from generation_service.telemetry.logs import in_context

_log = structlog.get_logger()


class Renewal:
    """Renews a lease from a thread of its own, at a third of its length.

    When a renewal fails the lease simply runs out: whoever then records anything under it is
    refused by the database, so nothing here has to interrupt the work.
    """

    def __init__(self, renew: Callable[[], object], *, every: float = LEASE_SECONDS / 3) -> None:
        self._renew = renew
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=in_context(self._run), name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            try:
                self._renew()
            except Exception:  # noqa: BLE001 - whatever it was, the next renewal may succeed
                _log.warning("lease_renewal_failed", exc_info=True)

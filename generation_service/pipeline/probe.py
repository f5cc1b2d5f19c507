"""Probing: which of a lot's photos can be fetched, before anything is paid for.

Hundreds of photos are on their way at any moment: while they are, further lots are claimed and what
was found is recorded, many at once. A lot moves on when the last of its photos is known, whatever
becomes of the others. What can't be decided now (a photo that another process probes, or whose host
is parked) waits in its row and not here.
"""

import time
from typing import Final
from uuid import uuid4

from sqlalchemy import Connection

from generation_service.clients.images import Probing
from generation_service.core.limits import IMAGE_CONNECT_SECONDS, LEASE_SECONDS
from generation_service.db import lots, probes
from generation_service.db.lots import ClaimedLot
from generation_service.db.probes import Known
from generation_service.pipeline.probe_records import record
from generation_service.pipeline.probe_window import PHOTOS_HELD, Window
from generation_service.pipeline.resources import Beat, Resources
from generation_service.pipeline.transactions import transaction

_LOTS_A_CLAIM: Final = 256
_PHOTOS_A_CLAIM: Final = PHOTOS_HELD // 4
_LOOK_SECONDS: Final = 0.2  # between two claims, and so how soon a new job is noticed
_LOOK_TIMES: Final = 10  # nothing found: at least so many times what looking took
_RECORD_SECONDS: Final = 0.2  # answers wait no longer to be recorded with others
_LISTEN_SECONDS: Final = IMAGE_CONNECT_SECONDS  # however slow the database: enough to connect
_RENEW_SECONDS: Final = LEASE_SECONDS / 4


def tick(resources: Resources, beat: Beat) -> bool:
    """Probe the photos of pending lots until there are none; False when there were none."""
    stream = _Tick(resources)
    if not stream.claim():
        return False
    with resources.prober.probing() as probing:
        stream.run(probing, beat)
    return True


class _Tick:
    """What one tick holds: claimed under its token, and renewed until it is recorded."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._token = uuid4()
        self._window = Window()
        self._unasked: list[tuple[str, str]] = []
        self._look_at = 0.0
        self._record_at = 0.0
        self._listen_until = 0.0
        self._renew_at = time.monotonic() + _RENEW_SECONDS

    def run(self, probing: Probing, beat: Beat) -> None:
        while self._window or self.claim():
            self._ask(probing)
            if not beat():
                self._window.give_up()
                self._record()
                return
            self._listen(probing)
            self._renew()
            if not self._window.is_waiting or time.monotonic() >= self._listen_until:
                self._claim_or_record()

    def _claim_or_record(self) -> None:
        """What is due; then the photos are listened to for as long as they were not."""
        began = time.monotonic()
        if began >= self._look_at:
            self.claim()
        elif began >= self._record_at or not self._window.is_waiting:
            self._record()
        ended = time.monotonic()
        self._listen_until = ended + min(ended - began, _LISTEN_SECONDS)

    def claim(self) -> bool:
        """Claim some lots and their photos, in one transaction; False when there are none."""
        self._record()  # or a photo whose answer is only known here would be asked for again
        began = time.monotonic()
        claimed, known = transaction(self._resources.engine, self._claim)
        times = 0 if claimed else _LOOK_TIMES
        self._look_at = began + max(_LOOK_SECONDS, times * (time.monotonic() - began))
        self._unasked += self._window.claimed(claimed, known, began)
        return bool(claimed)

    def _claim(self, connection: Connection) -> tuple[list[ClaimedLot], list[Known]]:
        claimed = lots.claim(
            connection,
            token=self._token,
            limit=_LOTS_A_CLAIM,
            lease_seconds=LEASE_SECONDS,
            photos=_PHOTOS_A_CLAIM,
            busy=self._window.busy(),
        )
        known = probes.claim(
            connection, [lot.id for lot in claimed], token=self._token, lease_seconds=LEASE_SECONDS
        )
        return claimed, known

    def _ask(self, probing: Probing) -> None:
        for url, client in self._unasked:
            probing.add(url, client)
        self._unasked.clear()

    def _listen(self, probing: Probing) -> None:
        """Until there is an answer, or something else to do."""
        if self._window.is_waiting:
            due = max(min(self._look_at, self._record_at), self._listen_until)
            seconds = min(due, self._renew_at) - time.monotonic()
            for url, check in probing.wait(min(max(0.0, seconds), _RECORD_SECONDS)):
                self._window.answered(url, check.reason)
            for url in probing.withdraw_parked():
                self._window.parked(url)

    def _renew(self) -> None:
        now = time.monotonic()
        if now < self._renew_at:
            return
        self._renew_at = now + _RENEW_SECONDS
        held = self._window.held_since(now - _RENEW_SECONDS, now)

        def renew(connection: Connection) -> None:
            for job_id, (ids, urls) in held.items():
                lots.renew(connection, self._token, ids, LEASE_SECONDS)
                probes.renew(
                    connection, job_id, urls, token=self._token, lease_seconds=LEASE_SECONDS
                )

        transaction(self._resources.engine, renew)

    def _record(self) -> None:
        self._record_at = time.monotonic() + _RECORD_SECONDS
        if self._window.has_news:
            news = self._window.news()
            transaction(
                self._resources.engine,
                lambda connection: record(connection, self._resources, self._token, news),
            )

"""Delivering: each due delivery is rendered, signed, sent, and its attempt recorded.

Hundreds are in flight at once, and what has ended is recorded in one transaction while the rest
goes on. Nobody waits for a slow receiver: hosts whose last answer was not prompt share a part of
the slots, so that what is left is always there for the others (delivery_load.py), and who is sent
what is decided over all processes (db/delivery_claims.py). A crash between a receiver's answer
and its record sends the delivery once more, under the same `webhook-id`: at least once, never
lost.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Connection

from generation_service.clients import webhooks as client
from generation_service.clients.net import Answer, Transfers
from generation_service.core import webhooks as rules
from generation_service.core.limits import LEASE_SECONDS, WEBHOOK_PER_HOST, WEBHOOK_SLOTS
from generation_service.db import deliveries, delivery_claims, endpoints
from generation_service.db.delivery_claims import ClaimedDelivery
from generation_service.db.endpoints import Endpoint
from generation_service.pipeline.delivery_bodies import bodies
from generation_service.pipeline.delivery_load import Load
from generation_service.pipeline.delivery_outcomes import Sent, contact, judged, report
from generation_service.pipeline.resources import Beat, Resources
from generation_service.pipeline.signers import NoKeyError, signer_of
from generation_service.pipeline.transactions import transaction

_log = structlog.get_logger()
_GATHER_SECONDS: Final = 0.01  # so that one transaction records many at once
_RENEW_SECONDS: Final = LEASE_SECONDS / 4


class _Pause(NamedTuple):
    """How long not to look at what is due while attempts are in flight.

    So many seconds, but at least so many times what the last look took: with very much that is due
    and can't be sent, looks take longer, and must not take all the time.
    """

    seconds: float
    times: float


_AFTER_FINDING: Final = _Pause(0.02, 3)
_AFTER_NOTHING: Final = _Pause(0.1, 10)


def tick(resources: Resources, beat: Beat) -> bool:
    """Work until nothing is due or in flight; False if there was nothing."""
    transfers: Transfers[Sent] = Transfers(
        allowed_private=resources.settings.allowed_private_hosts,
        max_in_flight=WEBHOOK_SLOTS,
        max_per_host=WEBHOOK_PER_HOST,
        resolver=resources.receivers.resolver,
    )
    with transfers:
        return _Tick(resources, transfers).run(beat)


class _Tick:
    """What one tick holds: claimed under its token, and renewed until it is recorded."""

    def __init__(self, resources: Resources, transfers: Transfers[Sent]) -> None:
        self._resources = resources
        self._transfers = transfers
        self._token = uuid4()
        self._load = Load()
        self._unsendable: list[tuple[Sent, Answer]] = []
        self._look_at = 0.0
        self._renew_at = time.monotonic() + _RENEW_SECONDS

    def run(self, beat: Beat) -> bool:
        worked = False
        while (beat() and self._send_due()) or self._transfers.in_flight:
            worked = True
            self._renew()
            self._record(self._ended())
        return worked

    def _ended(self) -> list[tuple[Sent, Answer]]:
        """What has ended, gathered for a moment; nothing when it is time to look for more."""
        answers, self._unsendable = self._unsendable, []
        answers += self._transfers.wait(max(0.0, self._look_at - time.monotonic()))
        until = time.monotonic() + _GATHER_SECONDS
        while answers and self._transfers.in_flight and (left := until - time.monotonic()) > 0:
            answers += self._transfers.wait(left)
        return answers

    def _send_due(self) -> bool:
        """Claim and send what is due, as far as there is room; False if nothing was."""
        began = time.monotonic()
        if self._transfers.in_flight and began < self._look_at:
            return False
        claimed = self._claim()
        pause = _AFTER_FINDING if claimed else _AFTER_NOTHING
        self._look_at = began + max(pause.seconds, pause.times * (time.monotonic() - began))
        self._send(claimed)
        return bool(claimed)

    def _claim(self) -> list[ClaimedDelivery]:
        first_delay = self._resources.settings.webhook_retry_seconds[0]
        room = self._load.room(self._resources.receivers.prompt, first_delay)
        if room.limit <= 0:
            return []
        return transaction(
            self._resources.engine,
            lambda connection: delivery_claims.claim(connection, self._token, room),
        )

    def _send(self, claimed: Sequence[ClaimedDelivery]) -> None:
        prompt = set(self._resources.receivers.prompt)
        left: list[UUID] = []
        public_url = self._resources.settings.public_url
        for delivery, body in bodies(self._resources.engine, claimed, public_url):
            size = len(body) if isinstance(body, bytes) else 0
            sent = Sent(delivery, size, delivery.host in prompt)
            if not self._load.fits(sent.size):
                left.append(delivery.id)
                continue
            self._load.add(sent.size, prompt=sent.prompt)
            if isinstance(body, bytes):
                self._send_one(sent, body)
            else:
                self._give_up(replace(sent, final=body.final), body.error, body.message)
        if left:
            transaction(
                self._resources.engine,
                lambda connection: delivery_claims.release(connection, self._token, left),
            )

    def _send_one(self, sent: Sent, body: bytes) -> None:
        delivery = sent.delivery
        try:
            signed_by = signer_of(self._resources.settings, delivery.client)
        except NoKeyError as error:
            self._give_up(sent, "no_key", str(error))
            return
        headers = rules.headers(
            body=body,
            signed_by=signed_by,
            delivery_id=str(delivery.id),
            timestamp=int(delivery.claimed_at.timestamp()),
            attempt=delivery.attempt,
        )
        request = client.outgoing(delivery.webhook_url, body, headers, client=delivery.client)
        self._transfers.add(replace(sent, signature=headers["X-Signature"]), request)

    def _give_up(self, sent: Sent, error: str, message: str) -> None:
        """The attempt fails before anything is sent: for reasons of ours, not the receiver's."""
        self._unsendable.append((sent, Answer(error=error, message=message)))

    def _renew(self) -> None:
        if time.monotonic() >= self._renew_at:
            self._renew_at = time.monotonic() + _RENEW_SECONDS
            transaction(
                self._resources.engine,
                lambda connection: delivery_claims.renew(connection, self._token),
            )

    def _record(self, answers: Sequence[tuple[Sent, Answer]]) -> None:
        if not answers:
            return
        for sent, answer in answers:
            self._load.remove(sent.size, prompt=sent.prompt)
            if sent.signature:
                self._resources.receivers.note(sent.delivery.host, answer)
        schedule = self._resources.settings.webhook_retry_seconds
        ended = [judged(sent, client.outcome(answer), schedule) for sent, answer in answers]
        contacts = [contact(sent, answer) for sent, answer in answers if sent.signature]

        def record(connection: Connection) -> tuple[set[UUID], list[Endpoint]]:
            recorded = deliveries.record(connection, self._token, ended)
            endpoints.note(connection, contacts)
            return recorded, endpoints.pause(connection, contacts)

        recorded, paused = transaction(self._resources.engine, record)
        for (sent, _), each in zip(answers, ended, strict=True):
            report(sent.delivery, each, recorded=each.delivery_id in recorded)
        for endpoint in paused:
            _log.warning(
                "webhook_endpoint_paused", endpoint=str(endpoint.id), reason=endpoint.paused_reason
            )

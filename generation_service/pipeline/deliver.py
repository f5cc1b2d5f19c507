"""Delivering: each due delivery is rendered, signed, sent, and its attempt recorded.

Many are in flight at once and each is recorded as it ends, so that a slow receiver delays nobody
else. A crash between a receiver's answer and its record sends the delivery once more, under the
same `webhook-id`: at least once, never lost.
"""

import json
import random
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import structlog
from sqlalchemy import Connection

from generation_service.clients import webhooks as client
from generation_service.clients.net import Answer, Transfers
from generation_service.core import webhooks as rules
from generation_service.core.limits import WEBHOOK_PER_HOST, WEBHOOK_SLOTS, WEBHOOK_TOTAL_SECONDS
from generation_service.core.times import timestamp
from generation_service.core.webhook_payload import payload
from generation_service.db import deliveries, jobs, operations, results
from generation_service.db.deliveries import ClaimedDelivery
from generation_service.db.delivery_log import Attempt
from generation_service.db.statements import LeaseLostError
from generation_service.pipeline.resources import Beat, Resources
from generation_service.pipeline.transactions import transaction

_log = structlog.get_logger()
_LEASE_SECONDS = WEBHOOK_TOTAL_SECONDS + 15.0
_TURN_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class _Sent:
    """A delivery on its way; `at` is the database's time when it was sent."""

    delivery: ClaimedDelivery
    signature: str
    at: datetime


def tick(resources: Resources, beat: Beat) -> bool:
    """Work until nothing is due or in flight; False if there was nothing."""
    worked = False
    in_flight: Counter[str] = Counter()
    transfers: Transfers[_Sent] = Transfers(
        allowed_private=resources.settings.allowed_private_hosts,
        max_in_flight=WEBHOOK_SLOTS,
        max_per_host=WEBHOOK_PER_HOST,
    )
    with transfers:
        while (beat() and _send_due(resources, transfers, in_flight)) or transfers.in_flight:
            worked = True
            for sent, answer in transfers.wait(_TURN_SECONDS):
                in_flight[sent.delivery.host] -= 1
                _record(resources, sent, answer)
    return worked


def _send_due(resources: Resources, transfers: "Transfers[_Sent]", in_flight: Counter[str]) -> bool:
    """Claim and send what is due, as far as there are slots; False if nothing was."""
    free = WEBHOOK_SLOTS - transfers.in_flight
    if not free:
        return False
    busy = [host for host, count in in_flight.items() if count >= WEBHOOK_PER_HOST]
    token = uuid4()
    claimed = transaction(
        resources.engine,
        lambda connection: deliveries.claim(
            connection, token=token, limit=free, lease_seconds=_LEASE_SECONDS, without_hosts=busy
        ),
    )
    left = []
    for delivery in claimed:
        if in_flight[delivery.host] < WEBHOOK_PER_HOST:
            in_flight[delivery.host] += 1
            _send(resources, transfers, delivery)
        else:
            left.append(delivery.id)
    if left:
        transaction(
            resources.engine, lambda connection: deliveries.release(connection, token, left)
        )
    return bool(claimed)


def _send(resources: Resources, transfers: "Transfers[_Sent]", delivery: ClaimedDelivery) -> None:
    with resources.engine.connect() as connection:
        body = _render(connection, resources, delivery)
        now = operations.now(connection)
    headers = rules.headers(
        body=body,
        key=resources.settings.keys[delivery.client][0],
        delivery_id=str(delivery.id),
        timestamp=int(now.timestamp()),
        attempt=delivery.attempt,
    )
    sent = _Sent(delivery, headers["X-Signature"], now)
    transfers.add(sent, client.outgoing(delivery.webhook_url, body, headers))


def _render(connection: Connection, resources: Resources, delivery: ClaimedDelivery) -> bytes:
    job = jobs.get(connection, delivery.job_id)
    lots = results.webhook_lots(
        connection,
        job,
        webhook_url=delivery.webhook_url,
        first=delivery.first_position,
        last=delivery.last_position,
    )
    document = payload(
        job_id=str(job.id),
        status=job.status,
        completed_at=timestamp(job.completed_at),
        metadata=job.metadata,
        lots=lots,
    ) | {
        "delivery_id": str(delivery.id),
        "run": delivery.run,
        "part": delivery.part,
        "parts": delivery.parts,
        "results_url": f"{resources.settings.public_url}/api/v1/batch-results/{job.id}",
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _record(resources: Resources, sent: _Sent, answer: Answer) -> None:
    outcome = client.outcome(answer)
    delivered = rules.is_delivered(outcome.status_code)
    delay = rules.next_delay(
        sent.delivery.attempt,
        resources.settings.webhook_retry_seconds,
        jitter=random.uniform(-1, 1),  # noqa: S311 - spreads retries, guards nothing
        retry_after=rules.parse_retry_after(outcome.retry_after, now=sent.at),
    )
    attempt = Attempt(
        attempt=sent.delivery.attempt,
        at=sent.at,
        status_code=outcome.status_code,
        duration_ms=round(answer.seconds * 1000),
        error=outcome.error,
        response=outcome.response_text,
    )

    def record(connection: Connection) -> None:
        deliveries.record(
            connection,
            sent.delivery,
            attempt,
            delivered=delivered,
            signature=sent.signature,
            retry_in=delay,
        )

    try:
        transaction(resources.engine, record)
    except LeaseLostError as error:
        _log.warning("lease_lost", reason=str(error))
    _report(sent.delivery, attempt, delivered=delivered)


def _report(delivery: ClaimedDelivery, attempt: Attempt, *, delivered: bool) -> None:
    _log.log(
        20 if delivered else 30,
        "webhook_delivered" if delivered else "webhook_attempt_failed",
        delivery=str(delivery.id),
        job=str(delivery.job_id),
        attempt=attempt.attempt,
        status_code=attempt.status_code,
        reason=attempt.error,
    )

"""What came of an attempt, as it is recorded, noted of its endpoint, and logged."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from generation_service.clients.net import Answer
from generation_service.clients.webhooks import DeliveryOutcome
from generation_service.core import webhooks as rules
from generation_service.core.status import DeliveryStatus
from generation_service.db.deliveries import Ended
from generation_service.db.delivery_claims import ClaimedDelivery
from generation_service.db.endpoints import Contact
from generation_service.telemetry import metrics

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery on its way; one without `signature` could not be sent.

    `final`: if this attempt fails, so does the delivery.
    """

    delivery: ClaimedDelivery
    size: int
    prompt: bool
    signature: str | None = None
    final: bool = False


def judged(sent: Sent, outcome: DeliveryOutcome, schedule: Sequence[float]) -> Ended:
    delivery = sent.delivery
    delivered, delay = rules.is_delivered(outcome.status_code), None
    if not (delivered or sent.final or rules.is_gone(outcome.status_code)):
        ended_at = delivery.claimed_at + timedelta(seconds=outcome.seconds)
        delay = rules.next_delay(
            delivery.attempt - delivery.attempts_before,
            schedule,
            jitter=random.uniform(-1, 1),  # noqa: S311 - spreads retries, guards nothing
            retry_after=rules.parse_retry_after(outcome.retry_after, now=ended_at),
        )
    failed = DeliveryStatus.FAILED if delay is None else DeliveryStatus.PENDING
    return Ended(
        delivery_id=delivery.id,
        attempt=delivery.attempt,
        status=DeliveryStatus.DELIVERED if delivered else failed,
        retry_in=delay,
        signature=sent.signature,
        seconds=outcome.seconds,
        status_code=outcome.status_code,
        error=outcome.error,
        response=outcome.response_text,
    )


def contact(sent: Sent, answer: Answer) -> Contact:
    return Contact(
        client=sent.delivery.client,
        url=sent.delivery.webhook_url,
        delivered=rules.is_delivered(answer.status),
        gone=rules.is_gone(answer.status),
    )


_EVENTS: Final = {
    DeliveryStatus.DELIVERED: "webhook_delivered",
    DeliveryStatus.PENDING: "webhook_attempt_failed",
    DeliveryStatus.FAILED: "webhook_failed",
}


def report(delivery: ClaimedDelivery, ended: Ended, *, recorded: bool) -> None:
    """Tell of an attempt; one that is not `recorded` is another process's to count."""
    delivered = ended.status is DeliveryStatus.DELIVERED
    if recorded:
        metrics.webhook_attempted(ended.seconds, delivered=delivered)
        if ended.status is not DeliveryStatus.PENDING:
            metrics.webhook_ended(delivered=delivered)
    write = _log.info if delivered else _log.warning
    write(
        _EVENTS[ended.status],
        delivery=str(ended.delivery_id),
        job=str(delivery.job_id),
        client=delivery.client,
        attempt=ended.attempt,
        status_code=ended.status_code,
        reason=ended.error,
        recorded=recorded,
    )

"""What came of an attempt, as it is recorded, noted of its endpoint, and logged."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from generation_service.clients.net import Answer
from generation_service.clients.webhooks import DeliveryOutcome
from generation_service.core import webhooks as rules
from generation_service.core.status import DeliveryStatus
from generation_service.db.deliveries import Ended
from generation_service.db.delivery_claims import ClaimedDelivery
from generation_service.db.endpoints import Contact

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


def report(ended: Ended, *, recorded: bool) -> None:
    delivered = ended.status is DeliveryStatus.DELIVERED
    _log.log(
        20 if delivered else 30,
        "webhook_delivered" if delivered else "webhook_attempt_failed",
        delivery=str(ended.delivery_id),
        attempt=ended.attempt,
        status_code=ended.status_code,
        reason=ended.error,
        recorded=recorded,
    )

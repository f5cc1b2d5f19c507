"""One delivery of a webhook: the request, and what its answer means (docs/api.md §6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from generation_service.clients.net import Answer, Outgoing
from generation_service.core.limits import (
    WEBHOOK_ANSWER_BYTES,
    WEBHOOK_ANSWER_CHARS,
    WEBHOOK_TOTAL_SECONDS,
)
from generation_service.core.webhooks import safe_text

CONNECT_SECONDS: Final = 5.0  # a dead receiver gives its slot back sooner than a slow one


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOutcome:
    """What a delivery's attempt is recorded with.

    `error` is "code: words" when no status line came, else None: the status decides, even if
    the body broke off. `response_text` is fit for the database; `retry_after` is the header as
    sent; `seconds` leaves out the time spent in a queue.
    """

    status_code: int | None
    error: str | None
    response_text: str
    retry_after: str | None
    seconds: float


def outgoing(url: str, body: bytes, headers: Mapping[str, str]) -> Outgoing:
    """A POST that follows no redirect and is over within 15 s, however slowly bytes come."""
    return Outgoing(
        url=url,
        method="POST",
        headers=headers,
        body=body,
        connect_seconds=CONNECT_SECONDS,
        total_seconds=WEBHOOK_TOTAL_SECONDS,
        max_bytes=WEBHOOK_ANSWER_BYTES,
    )


def outcome(answer: Answer) -> DeliveryOutcome:
    failed = answer.error if answer.status is None else None
    return DeliveryOutcome(
        status_code=answer.status,
        error=f"{failed}: {answer.message}" if failed else None,
        response_text=safe_text(answer.body, WEBHOOK_ANSWER_CHARS),
        retry_after=answer.headers.get("retry-after"),
        seconds=answer.seconds,
    )

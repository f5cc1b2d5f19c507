"""One delivery of a webhook: the request, and what its answer means (docs/api.md §6)."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from generation_service.clients.net import Answer, Outgoing
from generation_service.clients.resolver import Resolver
from generation_service.core.limits import (
    WEBHOOK_ANSWER_BYTES,
    WEBHOOK_ANSWER_CHARS,
    WEBHOOK_PROMPT_SECONDS,
    WEBHOOK_TOTAL_SECONDS,
)
from generation_service.core.webhooks import safe_text

CONNECT_SECONDS: Final = 5.0  # a dead receiver gives its slot back sooner than a slow one
MAX_PROMPT_HOSTS: Final = 1_000


class Receivers:
    """What a process has learnt of receivers: where they are, and which answer promptly."""

    def __init__(self, resolver: Resolver | None = None) -> None:
        self.resolver = resolver or Resolver()
        self._prompt: OrderedDict[str, None] = OrderedDict()

    @property
    def prompt(self) -> list[str]:
        """The hosts whose last answer came within 2 s, whatever it said."""
        return list(self._prompt)

    def note(self, host: str, answer: Answer) -> None:
        self._prompt.pop(host, None)
        if answer.status is not None and answer.seconds <= WEBHOOK_PROMPT_SECONDS:
            self._prompt[host] = None
        if len(self._prompt) > MAX_PROMPT_HOSTS:
            self._prompt.popitem(last=False)


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


def outgoing(
    url: str, body: bytes, headers: Mapping[str, str], *, client: str | None = None
) -> Outgoing:
    """A POST that follows no redirect and is over within 15 s, however slowly bytes come."""
    return Outgoing(
        url=url,
        method="POST",
        headers=headers,
        body=body,
        connect_seconds=CONNECT_SECONDS,
        total_seconds=WEBHOOK_TOTAL_SECONDS,
        max_bytes=WEBHOOK_ANSWER_BYTES,
        asker=client,
    )


def outcome(answer: Answer) -> DeliveryOutcome:
    failed = answer.error if answer.status is None else None
    return DeliveryOutcome(
        status_code=answer.status,
        error=safe_text(f"{failed}: {answer.message}".encode(errors="replace")) if failed else None,
        response_text=safe_text(answer.body, WEBHOOK_ANSWER_CHARS),
        retry_after=answer.headers.get("retry-after"),
        seconds=answer.seconds,
    )

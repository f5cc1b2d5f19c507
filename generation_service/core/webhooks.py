"""The rules of webhook deliveries: signature headers, what counts as delivered, when to retry."""

import base64
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from generation_service.core.limits import MAX_RETRY_AFTER_SECONDS, WEBHOOK_ANSWER_CHARS
from generation_service.core.signatures import sign

USER_AGENT: Final = "Generation-Service/1.0"

_DELIVERED: Final = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED})
_JITTER: Final = 0.1
_SECONDS: Final = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
_MAX_UTF8_BYTES: Final = 4
_PREFIX: Final = "whsec_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """What signs a client's webhooks: its first key, and the secret of Standard Webhooks."""

    key: str
    secret: str


def signer(key: str, secret: str | None) -> Signer:
    """`secret` is `whsec_` and base64; None makes it from the client's key."""
    return Signer(key=key, secret=secret or standard_secret(key))


def standard_secret(key: str) -> str:
    """The client's key in the form that Standard Webhooks libraries take."""
    return f"{_PREFIX}{base64.b64encode(key.encode()).decode()}"


def headers(
    *, body: bytes, signed_by: Signer, delivery_id: str, timestamp: int, attempt: int
) -> dict[str, str]:
    """The headers of one attempt, signed over the exact bytes sent (docs/api.md §6).

    `X-Signature` is the service's own scheme; the `webhook-*` ones follow Standard Webhooks 1.0,
    so that any of its libraries verifies them. `timestamp` is in Unix seconds.
    """
    signed = b".".join((delivery_id.encode(), str(timestamp).encode(), body))
    secret = base64.b64decode(signed_by.secret.removeprefix(_PREFIX))
    digest = hmac.digest(secret, signed, "sha256")
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "X-Signature": f"sha256={sign(signed_by.key, body)}",
        "X-Webhook-Attempt": str(attempt),
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def is_delivered(status: int | None) -> bool:
    """Whether the receiver's status means success; 204 and redirects do not."""
    return status in _DELIVERED


def is_gone(status: int | None) -> bool:
    """Whether the receiver asks for no more webhooks (Standard Webhooks: 410 disables it)."""
    return status == HTTPStatus.GONE


def next_delay(
    attempt: int, schedule: Sequence[float], *, jitter: float, retry_after: float | None
) -> float | None:
    """Seconds from the end of failed attempt number `attempt` to the next; None after the last.

    `schedule` holds the delays before attempts 1, 2, … of a round; `jitter` in [-1, 1] spreads
    them by 10 %. The receiver's `retry_after`, up to 600 s, can only make it longer.
    """
    if attempt >= len(schedule):
        return None
    delay = schedule[attempt] * (1 + _JITTER * jitter)
    return max(delay, min(retry_after or 0.0, MAX_RETRY_AFTER_SECONDS))


def parse_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Seconds of a Retry-After header (RFC 9110 §10.2.3): a number, or a date against `now`."""
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:  # "-0000": UTC of unknown origin (RFC 5322 §3.3)
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def safe_text(body: bytes, limit: int = WEBHOOK_ANSWER_CHARS) -> str:
    """The first characters of a receiver's answer, with what a database refuses replaced."""
    text = body[: limit * _MAX_UTF8_BYTES].decode(errors="replace")
    return text.replace("\x00", "\ufffd")[:limit]

"""Events that OpenAI sends, verified by its SDK (OpenAI's guide on webhooks).

The SDK checks what Standard Webhooks asks for: an HMAC over id, time and bytes, one of the header's
signatures being enough, and a time within 300 s of this machine's clock; that of the database,
which judges everything else, can't be handed to it.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import openai

from generation_service.core.limits import MAX_EVENT_ID_CHARS

_ID: Final = "webhook-id"
_HEADERS: Final = (_ID, "webhook-timestamp", "webhook-signature")
_NO_KEY: Final = "none"  # nothing is asked of OpenAI here, but the SDK insists on one


class Headers(Protocol):
    """What is read of a request's headers, whose names have no case."""

    def get(self, name: str, /) -> str | None: ...


class EventRefusedError(Exception):
    """It can't be shown that OpenAI sent this, and that just now; the message says why."""


@dataclass(frozen=True, slots=True)
class Event:
    """`id` is the same however often OpenAI sends the event; of what it lacks there is None."""

    id: str
    type: str | None
    subject: str | None
    """The id of what it is about: of a batch, if `type` begins with `batch.`."""


class EventReader:
    """Reads events signed with `secret`, which begins with `whsec_`. Thread-safe."""

    def __init__(self, secret: str) -> None:
        self._webhooks = openai.OpenAI(api_key=_NO_KEY, webhook_secret=secret).webhooks

    def read(self, payload: bytes, headers: Headers) -> Event:
        """The event, whatever its type and fields; raises EventRefusedError."""
        signed = {name: value for name in _HEADERS if (value := headers.get(name)) is not None}
        if not "".join(signed.values()).isascii():  # on others the SDK's comparison fails
            raise EventRefusedError("A header is not ASCII.")
        if len(signed.get(_ID, "")) > MAX_EVENT_ID_CHARS:
            raise EventRefusedError(f"{_ID} is longer than {MAX_EVENT_ID_CHARS} characters.")
        try:
            event = self._webhooks.unwrap(payload, signed)
        except ValueError as error:  # a bad signature or time, a missing header, bad JSON
            raise EventRefusedError(f"{error}.") from None
        # For types that it does not know the SDK makes an object of some other type's class.
        subject = getattr(event, "data", None)
        return Event(signed[_ID], _text(event, "type"), _text(subject, "id"))


def _text(node: object, name: str) -> str | None:
    value = node.get(name) if isinstance(node, dict) else getattr(node, name, None)
    return value if isinstance(value, str) else None

"""Events: whoever asked for it is told of a batch's end, signed as OpenAI signs.

The headers are those of Standard Webhooks. What is not taken with a 2xx is sent again under the
same `webhook-id`, a few times and within seconds where OpenAI goes on for three days.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Event, Lock
from typing import Final
from urllib.parse import urlsplit

from openai_simulator.actions import Subject
from openai_simulator.batch_record import BatchRecord
from openai_simulator.event_actions import Manner, manner_of
from openai_simulator.rules import Rules

RETRY_SECONDS: Final = (0.0, 0.5, 1.0, 2.0, 4.0)
"""The pauses before each attempt."""

_SENDERS: Final = 8
_ANSWER_SECONDS: Final = 10.0
_FORGER: Final = b"whatever a stranger may sign with"


class Events:
    """Sends events to `url`, signed with `key`; without a URL, none."""

    def __init__(self, url: str | None, key: bytes, rules: Rules, closing: Event) -> None:
        self._url = url
        self._key = key
        self._rules = rules
        self._closing = closing
        self._attempts: list[Mapping[str, object]] = []
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(_SENDERS, thread_name_prefix="event")

    def announce(self, record: BatchRecord) -> None:
        """Tell, in the background, that a batch has ended; not kept over a restart."""
        if self._url is None:
            return
        document = {
            "id": f"evt_{uuid.uuid4().hex}",
            "object": "event",
            "type": f"batch.{record.status}",
            "created_at": record.times[record.status],
            "data": {"id": record.id},
        }
        body = json.dumps(document).encode()
        manner = manner_of(self._rules.fire("event", Subject(body, record.id)))
        ident = f"wh_{uuid.uuid4().hex}"
        for _ in range(manner.copies):
            self._pool.submit(self._send, self._url, ident, body, manner)

    @property
    def attempts(self) -> Sequence[Mapping[str, object]]:
        """Every attempt: `webhook_id`, the event's `body`, and the answer's `status` or null."""
        with self._lock:
            return list(self._attempts)

    def close(self) -> None:
        """To be called once `closing` is set."""
        self._pool.shutdown(cancel_futures=True)

    def _send(self, url: str, ident: str, body: bytes, manner: Manner) -> None:
        self._closing.wait(manner.delay)
        for pause in RETRY_SECONDS:
            if self._closing.wait(pause):
                return
            status = post(url, body, self._headers(ident, body, manner))
            with self._lock:
                attempt = {"webhook_id": ident, "body": json.loads(body), "status": status}
                self._attempts.append(attempt)
            if status is not None and status // 100 == 2:  # noqa: PLR2004 - RFC 9110: successful
                return

    def _headers(self, ident: str, body: bytes, manner: Manner) -> Mapping[str, str]:
        timestamp = int(time.time() - manner.age)
        key = _FORGER if manner.forged else self._key
        signed = hmac.new(key, f"{ident}.{timestamp}.".encode() + body, hashlib.sha256).digest()
        return {
            "Content-Type": "application/json",
            "User-Agent": "OpenAI/1.0 (simulator)",
            "webhook-id": ident,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
        }


def signing_key(secret: str) -> bytes:
    """What stands in a secret `whsec_…`; raises ValueError."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not (secret.startswith("whsec_") and key):
        raise ValueError("events_secret: whsec_ and base64 are wanted")
    return key


def post(url: str, body: bytes, headers: Mapping[str, str]) -> int | None:
    """The answer's status, or None if there was no answer. Redirects are not followed."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.netloc, timeout=_ANSWER_SECONDS)
    try:
        connection.request("POST", parts.path or "/", body, dict(headers))
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()

"""Events as OpenAI sends them, signed by a hand that is neither the SDK's nor the simulator's."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


def event(batch: str, kind: str = "batch.completed", **more: object) -> dict[str, Any]:
    return {
        "id": "evt_1",
        "object": "event",
        "type": kind,
        "created_at": 1_750_287_018,
        "data": {"id": batch},
        **more,
    }


def signed(
    body: bytes, ident: str = "wh_1", *, age: int = 0, secret: str = SECRET
) -> dict[str, str]:
    """The three headers of Standard Webhooks, made `age` seconds ago."""
    timestamp = int(time.time()) - age
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{ident}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": ident,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()

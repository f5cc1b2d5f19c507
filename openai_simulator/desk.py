"""The one place where requests are worked, whether they come directly or as a batch's line."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from openai_simulator import conversation
from openai_simulator.answers import Answer, answer, photo_tokens
from openai_simulator.checks import check_request
from openai_simulator.documents import DOCUMENTS, Document
from openai_simulator.errors import ApiError, invalid
from openai_simulator.photos import Eyes
from openai_simulator.tokens import text_tokens

LONGEST_RECORDED_URL: Final = 2_048

Twist = Callable[[Answer], Answer]


@dataclass(frozen=True, slots=True)
class Done:
    """`bill` goes to the ledger: a request that got this far is paid for, whatever it says."""

    document: Document
    bill: Mapping[str, object]
    answer: Answer


class Desk:
    def __init__(self, eyes: Eyes) -> None:
        self._eyes = eyes

    def work(self, endpoint: str, body: Mapping[str, Any], ident: str, twist: Twist) -> Done:
        """Answer a request, or raise the ApiError that OpenAI would. `twist` misbehaves."""
        model = check_request(endpoint, body)
        asked = conversation.from_body(endpoint, body)
        given = twist(answer(asked, model, self._eyes.look(asked.photos)))
        document = DOCUMENTS[endpoint](given, body, ident, int(time.time()))
        bill = {
            "endpoint": endpoint,
            "model": model.id,
            "body_hash": body_hash(body),
            "image_urls": [photo.url[:LONGEST_RECORDED_URL] for photo in asked.photos],
            "input_tokens": given.input_tokens,
            "output_tokens": given.output_tokens,
        }
        return Done(document, bill, given)


def parse_body(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise invalid("We could not parse the JSON body of your request.") from error
    if not isinstance(body, dict):
        raise invalid("Invalid body: expected an object.", code="invalid_type")
    return body


def body_hash(body: Mapping[str, Any]) -> str:
    """The same for bodies that differ only in the order of their fields."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def prompt_tokens(endpoint: str, body: Mapping[str, Any]) -> int:
    """Estimate of the prompt tokens a request queues; a faulty body counts by its length."""
    try:
        check_request(endpoint, body)
    except ApiError:
        return text_tokens(json.dumps(body))
    asked = conversation.from_body(endpoint, body)
    return text_tokens(asked.all_text) + photo_tokens(asked)

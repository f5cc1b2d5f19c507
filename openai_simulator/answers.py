"""What the simulated model says to a conversation, and what that costs."""

import re
from dataclasses import dataclass, replace
from typing import Final

from openai_simulator.conversation import Conversation
from openai_simulator.description import NO_PHOTOS, describe
from openai_simulator.models import Model
from openai_simulator.photos import Looks
from openai_simulator.tokens import (
    CHARACTERS_A_TOKEN,
    REASONING_TOKENS,
    image_tokens,
    text_tokens,
)
from openai_simulator.translation import (
    UNKNOWN_LANGUAGE,
    find_language,
    find_text,
    translate,
)

_OF_PHOTOS: Final = re.compile(r"\b(photo|image|picture)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`finish_reason` is chat's; `output_tokens` holds the reasoning tokens too."""

    text: str
    refusal: str | None = None
    finish_reason: str = "stop"
    reasoning_first: bool = False
    text_tokens: int
    image_tokens: int
    output_tokens: int
    reasoning_tokens: int

    @property
    def input_tokens(self) -> int:
        return self.text_tokens + self.image_tokens


def answer(conversation: Conversation, model: Model, looks: Looks) -> Answer:
    """`looks` holds what was seen of the conversation's photos, in their order."""
    text = _text(conversation, looks)
    reasoning = REASONING_TOKENS[conversation.effort] if model.efforts else 0
    whole = Answer(
        text=text,
        text_tokens=text_tokens(conversation.all_text),
        image_tokens=photo_tokens(conversation, looks),
        output_tokens=reasoning + text_tokens(text),
        reasoning_tokens=reasoning,
    )
    return _capped(whole, conversation.cap)


def photo_tokens(conversation: Conversation, looks: Looks | None = None) -> int:
    """Without `looks`, the estimate for photos nobody has fetched yet."""
    seen = looks or [None] * len(conversation.photos)
    return sum(
        image_tokens(look.size if look else None, photo.detail)
        for photo, look in zip(conversation.photos, seen, strict=True)
    )


def _text(conversation: Conversation, looks: Looks) -> str:
    if conversation.photos:
        return describe(conversation.photos, looks)
    message = conversation.last_user_text
    fenced = find_text(message)
    language = find_language([message, conversation.all_text])
    if fenced is None and language is None and _OF_PHOTOS.search(conversation.all_text):
        return NO_PHOTOS
    return translate(message if fenced is None else fenced, language or UNKNOWN_LANGUAGE)


def _capped(whole: Answer, cap: int | None) -> Answer:
    """The answer as far as `cap` tokens go; reasoning comes first and may use up all of them."""
    if cap is None or whole.output_tokens <= cap:
        return whole
    reasoning = min(whole.reasoning_tokens, cap)
    return replace(
        whole,
        text=whole.text[: (cap - reasoning) * CHARACTERS_A_TOKEN],
        finish_reason="length",
        output_tokens=cap,
        reasoning_tokens=reasoning,
    )

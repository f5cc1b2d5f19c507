"""What an order will probably cost, and what OpenAI has to be asked for it.

Everything is expected to be asked once and answered: photos that can't be fetched would make it
cheaper, answers that are cut off or useless dearer (what is learned has them in it). Nothing is
expected to be cached.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from generation_service.core.lots import LotGroup
from generation_service.core.prices import Price, cost_nanos
from generation_service.core.prompts import translation_tokens, vision_tokens, words_tokens
from generation_service.core.status import Kind
from generation_service.core.token_estimates import Usage, expected

ENOUGH_TEXTS: Final = 100
"""So many texts teach what one costs; before that it is assumed."""
ENGLISH_BYTES: Final = 2_000
"""Of a description of 120 to 350 words (core/prompts.py), with its HTML."""
TEXT_TOKENS: Final[Mapping[Kind, int]] = {Kind.VISION: 600, Kind.TRANSLATION: 800}
"""Assumed of the text of an answer; a translation's words are cut into more tokens than English."""
REASONING_TOKENS: Final[Mapping[str, int]] = {
    "": 0,
    "none": 0,
    "minimal": 100,
    "low": 400,
    "medium": 1_200,
    "high": 2_500,
    "xhigh": 4_000,
}
"""Assumed of the reasoning before the text, which is billed like it, by the effort asked for."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What texts of one kind were billed, with the useless answers on the way to them."""

    completed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model as far as it is known; `price` is None if it isn't, `effort` as in the settings."""

    price: Price | None
    effort: str
    texts: Texts = field(default_factory=Texts)
    worth: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The requests of one kind; costs are None without a price.

    `estimated_tokens` are what the rows will be estimated at, for OpenAI's limit of enqueued ones.
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated_tokens: int = 0
    batch_nanos: int | None = 0
    direct_nanos: int | None = 0

    def __add__(self, other: "Share") -> "Share":
        return Share(
            requests=self.requests + other.requests,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            estimated_tokens=self.estimated_tokens + other.estimated_tokens,
            batch_nanos=_sum(self.batch_nanos, other.batch_nanos),
            direct_nanos=_sum(self.direct_nanos, other.direct_nanos),
        )


def vision(groups: Mapping[int, LotGroup], detail: str, model: Model) -> Share:
    """The descriptions of all lots in English."""
    return sum(_vision_shares(groups, detail, model), Share())


def _vision_shares(groups: Mapping[int, LotGroup], detail: str, model: Model) -> Iterator[Share]:
    for photos, group in groups.items():
        words = words_tokens(group.info_bytes // group.lots)
        tokens = vision_tokens(photos, None, detail) + words
        yield _share(Kind.VISION, group.lots, tokens, expected(tokens, model.worth), model)


def translation(requests: int, model: Model) -> Share:
    """So many translations; their prompts are about alike, so what they were billed says it all."""
    tokens = translation_tokens("") + words_tokens(ENGLISH_BYTES)
    prompt = expected(tokens, model.worth)
    if model.texts.completed >= ENOUGH_TEXTS:
        prompt = model.texts.prompt_tokens // model.texts.completed
    return _share(Kind.TRANSLATION, requests, tokens, prompt, model)


def _share(kind: Kind, requests: int, estimated: int, prompt: int, model: Model) -> Share:
    """`estimated` and `prompt` are tokens of one request."""
    completion = _completion_tokens(kind, model)
    batch, direct = (
        None
        if model.price is None
        else requests
        * cost_nanos(
            model.price,
            prompt_tokens=prompt,
            cached_tokens=0,
            completion_tokens=completion,
            batch=batch,
        )
        for batch in (True, False)
    )
    return Share(
        requests=requests,
        prompt_tokens=requests * prompt,
        completion_tokens=requests * completion,
        estimated_tokens=requests * estimated,
        batch_nanos=batch if requests else 0,
        direct_nanos=direct if requests else 0,
    )


def _completion_tokens(kind: Kind, model: Model) -> int:
    if model.texts.completed >= ENOUGH_TEXTS:
        return model.texts.completion_tokens // model.texts.completed
    return TEXT_TOKENS[kind] + REASONING_TOKENS[model.effort]


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other

"""What OpenAI charges: one table of prices, and what a request costs by it.

Costs are whole nanodollars, billionths of a US dollar. A request's cost is computed exactly and
then rounded once, half a nanodollar up; sums are sums of such numbers, so they always agree.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from generation_service.core.limits import MAX_PRICE_USD

NANOS_PER_USD: Final = 10**9
LONG_PROMPT_TOKENS: Final = 272_000
"""A request with more prompt tokens costs twice as much for them, and half as much again for its
answer (OpenAI's price list)."""

_PRICE: Final = re.compile(r"\d{1,9}(?:\.\d{1,6})?", re.ASCII)
_SNAPSHOT: Final = re.compile(r"-\d{4}-\d{2}-\d{2}$", re.ASCII)
_MICROS: Final = 10**6
_DENOMINATOR: Final = 4 * 1_000
"""Of a cost in quarters of a picodollar, which is exact: a picodollar is 0.001 nanodollars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Of a million tokens, in millionths of a US dollar: so of a token, in picodollars.

    `input` is for prompt tokens that were not `cached`, `output` for all that the model wrote, its
    reasoning too. A direct call pays this, an OpenAI batch half of it.
    """

    input: int
    cached: int
    output: int


def price(text: str) -> Price:
    """Read `1/0.05/5`: US dollars for a million tokens in, cached and out; else ValueError."""
    parts = text.split("/")
    if len(parts) != 3 or not all(map(_PRICE.fullmatch, parts)):  # noqa: PLR2004
        raise ValueError(
            "must be three prices with at most 6 decimals, in/cached/out in US dollars for a "
            f"million tokens, such as 1/0.05/5, not {text!r}"
        )
    given, cached, output = (int(Decimal(part) * _MICROS) for part in parts)
    if max(given, cached, output) > MAX_PRICE_USD * _MICROS:
        raise ValueError(f"must be at most {MAX_PRICE_USD:,} US dollars for a million tokens")
    return Price(input=given, cached=cached, output=output)


PRICES: Final[Mapping[str, Price]] = {
    "gpt-6.1-terra": price("1/0.05/5"),
    "gpt-6-luna": price("0.10/0.01/0.50"),
}
"""OpenAI's price list of November 2026; MODEL_PRICES adds to it and goes before it."""


def read_prices(text: str) -> dict[str, Price]:
    """Read `model:in/cached/out,…`; a model's name may have colons. Raises ValueError."""
    prices: dict[str, Price] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        model, _, numbers = entry.rpartition(":")
        if not model or model in prices:
            raise ValueError(
                f"must be a list of model:in/cached/out that names each model once, not {entry!r}"
            )
        prices[model] = price(numbers)
    return prices


def price_of(model: str, settings: Mapping[str, Price]) -> Price | None:
    """The price of a model, by `settings` first; None if nobody knows it.

    A dated snapshot (`gpt-6-luna-2026-08-01`) has its family's, unless it is named itself.
    """
    family = _SNAPSHOT.sub("", model)
    for name in (model, family):
        found = settings.get(name) or PRICES.get(name)
        if found is not None:
            return found
    return None


def cost_nanos(
    price: Price, *, prompt_tokens: int, cached_tokens: int, completion_tokens: int, batch: bool
) -> int:
    """What one request costs; `cached_tokens` are part of the prompt's."""
    cached = min(cached_tokens, prompt_tokens)
    prompt = price.input * (prompt_tokens - cached) + price.cached * cached
    answer = price.output * completion_tokens
    quarters = (
        8 * prompt + 6 * answer if prompt_tokens > LONG_PROMPT_TOKENS else 4 * (prompt + answer)
    )
    return _half_up(quarters // 2 if batch else quarters, _DENOMINATOR)


def nanos(usd: float | Decimal) -> int:
    """A number of US dollars as nanodollars, to the nearest."""
    return round(Fraction(usd) * NANOS_PER_USD)


def usd(nanodollars: int) -> float:
    """Nanodollars for people and JSON: US dollars, to the millionth."""
    return shown_nanos(nanodollars) / NANOS_PER_USD


def shown_nanos(nanodollars: int) -> int:
    """Nanodollars as `usd` shows them: a sum is to pass the limit that was copied from it."""
    return 1000 * _half_up(nanodollars, 1000)


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)

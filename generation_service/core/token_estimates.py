"""What estimates of prompt tokens are worth, judged by what was billed.

Estimates made before anything was seen are too high by design (core/prompts.py): a small photo
costs a third of a large one, and nobody knows the photos. They stay on the rows as they are; where
they are held against OpenAI's limit of enqueued tokens, all of them are corrected by the same
percentage, those in flight like those that wait. So a better estimate needs no row changed.
"""

from dataclasses import dataclass
from typing import Final

LEAST_PERCENT: Final = 25
MOST_PERCENT: Final = 400
_MARGIN: Final = 1.1  # an average has requests above it
_ENOUGH_TOKENS: Final = 1_000_000
MEMORY_TOKENS: Final = 50_000_000
"""So many estimated tokens later, what was learned weighs half of what it did."""
_CREDIBLE: Final = 50  # times more, or less, than was estimated: nobody errs like that


@dataclass(frozen=True, slots=True)
class Usage:
    """What requests were estimated at, and the prompt tokens they were billed."""

    estimated: int = 0
    prompt: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.estimated + other.estimated, self.prompt + other.prompt)


def credible(estimated: int, prompt: int) -> Usage:
    """The usage of one request; none at all if it cannot be true (some servers count nothing)."""
    low, high = estimated / _CREDIBLE, estimated * _CREDIBLE
    return Usage(estimated, prompt) if 0 < low <= prompt <= high else Usage()


def percent(usage: Usage) -> int:
    """What an estimate is worth: 100 until there is enough to judge by."""
    if usage.estimated < _ENOUGH_TOKENS:
        return 100
    billed = 100 * _MARGIN * usage.prompt / usage.estimated
    return min(MOST_PERCENT, max(LEAST_PERCENT, round(billed)))


def expected(estimated: int, usage: Usage) -> int:
    """The tokens that will probably be billed where so many are estimated.

    Unlike `percent` this keeps no margin and no bounds: too much is as wrong as too little.
    """
    if usage.estimated < _ENOUGH_TOKENS:
        return estimated
    return estimated * usage.prompt // usage.estimated

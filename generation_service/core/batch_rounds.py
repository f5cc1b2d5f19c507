"""How many OpenAI batches an order needs, and how long it takes under OpenAI's limits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from generation_service.core.estimates import expected_duration
from generation_service.core.limits import MAX_BATCH_BYTES, MAX_BATCH_REQUESTS

ROUND: Final = timedelta(hours=1)
"""How long OpenAI batches take that go at once: a guess; OpenAI promises 24 hours."""
CALL_SECONDS: Final = 15
"""How long a direct call takes: a guess, too."""
_LARGEST_PART: Final = 4  # of the token limit, in one OpenAI batch (core/room.py)
_GIANTS_SHARE: Final = 0.9  # a tenth is kept for small jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The requests of one kind: tokens as packing counts them, bytes of their lines.

    `token_limit` is the model's, of enqueued tokens; None: there is none.
    """

    model: str
    requests: int
    tokens: int
    size: int
    token_limit: int | None

    @property
    def openai_batches(self) -> int:
        parts = [self.requests / MAX_BATCH_REQUESTS, self.size / MAX_BATCH_BYTES]
        if self.token_limit is not None:
            parts.append(self.tokens / max(1, self.token_limit // _LARGEST_PART))
        return min(self.requests, math.ceil(max(parts)))

    def rounds(self, slots: int) -> int:
        """How often OpenAI's limits have to come free, with so many OpenAI batches at once."""
        parts = [self.openai_batches / slots]
        if self.token_limit is not None:
            parts.append(self.tokens / max(1, self.token_limit * _GIANTS_SHARE))
        return math.ceil(max(parts))


def duration(lots: int, loads: Sequence[Load], max_active: int) -> timedelta:
    """From the acceptance of a job, as if there were no other.

    Translations follow their descriptions a round behind; with one model for both they take turns.
    """
    asked = [load for load in loads if load.requests]
    rounds = [load.rounds(max(1, max_active - 1)) for load in asked]
    together = len({load.model for load in asked}) < len(asked)
    needed = sum(rounds) if together else max(rounds) + len(rounds) - 1
    return expected_duration(lots) + (needed - len(rounds)) * ROUND


def direct_duration(requests: int, calls: int) -> timedelta:
    """Of requests that go by direct calls, so many at once."""
    return timedelta(seconds=CALL_SECONDS * math.ceil(requests / calls))

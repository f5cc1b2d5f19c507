"""What packing is told: what waits, what is in flight, and what the limits leave room for."""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from generation_service.core.limits import OWN_BATCH_REQUESTS
from generation_service.core.status import Kind

_LARGEST_PART: Final = 4  # an OpenAI batch holds at most this part of the model's token limit
_KEPT_PART: Final = 10  # of the model's token limit, for small jobs


class Size(StrEnum):
    SMALL = "small"
    GIANT = "giant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A job's requests of one kind that wait for an OpenAI batch.

    `requests` are counted up to OWN_BATCH_REQUESTS, and `tokens` are those of the ones counted;
    `first` are those of the next one alone. `waited` is in seconds, of the oldest. `growing`: more
    will come without anything being tried again. `in_flight` are the job's requests in OpenAI
    batches that have not ended, `batches` how many those are, `since_turn` the seconds since its
    last one was packed.
    """

    job: Hashable
    client: str
    kind: Kind
    model: str
    requests: int
    tokens: int
    first: int
    waited: float
    growing: bool = False
    in_flight: int = 0
    batches: int = 0
    since_turn: float = math.inf

    @property
    def fills_its_own(self) -> bool:
        return self.requests >= OWN_BATCH_REQUESTS


@dataclass(frozen=True, slots=True)
class Standing:
    """What a client has in flight, and the seconds since its last turn."""

    in_flight: int = 0
    since_turn: float = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The limits, and what is in flight by size: OpenAI batches (`slots`) and enqueued tokens.

    A model that is not in `token_limits` has none. `sharing` counts the OpenAI batches of small
    jobs by kind.
    """

    slot_limit: int
    slots: Mapping[Size, int] = field(default_factory=dict)
    sharing: Mapping[Kind, int] = field(default_factory=dict)
    token_limits: Mapping[str, int] = field(default_factory=dict)
    tokens: Mapping[tuple[str, Size], int] = field(default_factory=dict)
    clients: Mapping[tuple[str, Size], Standing] = field(default_factory=dict)
    small_went_last: bool = False

    def limit(self, model: str) -> float:
        return self.token_limits.get(model, math.inf)

    def kept(self, model: str) -> float:
        limit = self.limit(model)
        return 0 if limit == math.inf else limit // _KEPT_PART

    def largest(self, model: str) -> float:
        """The most tokens of an OpenAI batch, but for a request that is larger all by itself."""
        limit = self.limit(model)
        return limit if limit == math.inf else max(1, limit // _LARGEST_PART)

    def size(self, queue: Queue) -> Size:
        """A job is a giant, too, while its next request needs more tokens than small jobs keep."""
        oversized = queue.first > max(1, self.kept(queue.model)) and self.has_limit(queue.model)
        giant = queue.requests + queue.in_flight >= OWN_BATCH_REQUESTS
        return Size.GIANT if giant or oversized else Size.SMALL

    def has_limit(self, model: str) -> bool:
        return model in self.token_limits

    def has_slot(self, size: Size) -> bool:
        held = {each: self.slots.get(each, 0) for each in Size}
        kept = 1 if self.slot_limit > 1 else 0
        free = self.slot_limit - sum(held.values())
        return free > 0 and (size is Size.SMALL or held[size] < self.slot_limit - kept)

    def available(self, size: Size, model: str, reserved: float) -> float:
        """The tokens that a queue of this size may take now, with some reserved for another."""
        held = {each: self.tokens.get((model, each), 0) for each in Size}
        free = self.limit(model) - sum(held.values())
        if size is Size.SMALL:
            return max(free - reserved, min(free, self.kept(model) - held[size]))
        return min(free - reserved, self.limit(model) - self.kept(model) - held[size])

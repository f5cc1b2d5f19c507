"""Which queued requests go into the next OpenAI batches.

A job with many requests gets OpenAI batches of its own; smaller jobs wait a moment and share, and
always find a slot and some tokens kept free, so that a small job never waits behind a giant. In
both groups clients take turns, and then the jobs of a client: whoever has least in flight is
next, the longest waiting first.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from generation_service.core.limits import MAX_BATCH_REQUESTS, OWN_BATCH_REQUESTS

_LARGEST_SHARE: Final = 0.25  # of the model's token limit, in one OpenAI batch
_KEPT_SHARE: Final = 0.1  # of the model's token limit, for small jobs
_KEPT_SLOTS: Final = 1
_SMALLEST_FILL: Final = 0.25  # of what a giant's OpenAI batch may hold: tokens are no use in crumbs


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A job's requests that wait for an OpenAI batch.

    `tokens` are those of all `requests` together, estimated; `waited` is in seconds, of the
    oldest; `in_flight` counts the job's requests in OpenAI batches that have not ended.
    """

    job: Hashable
    client: str
    requests: int
    tokens: int
    waited: float
    in_flight: int = 0

    @property
    def tokens_each(self) -> int:
        return max(1, math.ceil(self.tokens / self.requests))


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What may still be started: OpenAI batches (`slots`) and enqueued `tokens` of the model.

    The limits are those with nothing in flight; None is unlimited.
    """

    slots: int
    tokens: int | None
    token_limit: int | None
    slot_limit: int | None = None

    @property
    def nothing_in_flight(self) -> bool:
        return self.token_limit is not None and self.tokens == self.token_limit


@dataclass(frozen=True, slots=True)
class Pack:
    """One OpenAI batch to build: at most `requests` of the jobs' queued ones, job by job."""

    jobs: tuple[Hashable, ...]
    requests: int


def plan(queues: Sequence[Queue], room: Room, *, linger: float) -> list[Pack]:
    """The OpenAI batches to build now; jobs that do not fit wait for the next round.

    A small job waits until one of its kind has lingered that many seconds, or until together
    they fill an OpenAI batch. With nothing in flight at least one request goes, however large:
    waiting would not make more room.
    """
    small = [queue for queue in queues if 0 < queue.requests < OWN_BATCH_REQUESTS]
    giants = [queue for queue in queues if queue.requests >= OWN_BATCH_REQUESTS]
    ready = small if _is_due(small, linger) else []
    budget = _Budget(room)
    packs = [*_shared(ready, budget), *_own(giants, budget)]
    if not packs and room.slots > 0 and room.nothing_in_flight:
        packs = [Pack((queue.job,), 1) for queue in _in_turn([*ready, *giants])][:1]
    return packs


class Filling:
    """Keeps the JSONL file being written within its limits; the first request always goes in."""

    def __init__(self, *, max_requests: int, max_bytes: int, max_tokens: int | None = None) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._max_tokens = math.inf if max_tokens is None else max_tokens
        self.requests = self.bytes = self.tokens = 0

    def take(self, size: int, tokens: int) -> bool:
        """Count in a request of `size` bytes, or leave it out and return False."""
        fits = (
            self.requests < self._max_requests
            and self.bytes + size <= self._max_bytes
            and self.tokens + tokens <= self._max_tokens
        )
        if not fits and self.requests:
            return False
        self.requests += 1
        self.bytes += size
        self.tokens += tokens
        return True


class _Budget:
    """The room that is left while packs are planned."""

    def __init__(self, room: Room) -> None:
        limit = math.inf if room.token_limit is None else room.token_limit
        self.slots = room.slots
        self.tokens = math.inf if room.tokens is None else room.tokens
        self.kept_tokens = 0.0 if room.token_limit is None else limit * _KEPT_SHARE
        spare_slots = room.slot_limit is None or room.slot_limit > _KEPT_SLOTS
        self.kept_slots = _KEPT_SLOTS if spare_slots else 0
        self.per_pack = limit * _LARGEST_SHARE

    def spend(self, tokens: float) -> None:
        self.slots -= 1
        self.tokens -= tokens


@dataclass(slots=True)
class _Shared:
    """A pack that small jobs fill together."""

    tokens_left: float
    jobs: list[Hashable] = field(default_factory=list)
    requests: int = 0
    tokens: int = 0

    def add(self, queue: Queue, wanted: int) -> int:
        """Put in as many of the wanted requests as fit, and say how many."""
        room = min(wanted, MAX_BATCH_REQUESTS - self.requests)
        count = _fitting(queue.tokens_each, room, self.tokens_left - self.tokens)
        if count:
            self.jobs.append(queue.job)
            self.requests += count
            self.tokens += count * queue.tokens_each
        return count


def _is_due(small: Sequence[Queue], linger: float) -> bool:
    return (
        any(queue.waited >= linger for queue in small)
        or sum(queue.requests for queue in small) >= MAX_BATCH_REQUESTS
    )


def _shared(small: Sequence[Queue], budget: _Budget) -> Iterator[Pack]:
    waiting = [(queue, queue.requests) for queue in _in_turn(small)]
    while waiting and budget.slots > 0:
        pack = _Shared(min(max(budget.per_pack, waiting[0][0].tokens_each), budget.tokens))
        counts = [(queue, wanted, pack.add(queue, wanted)) for queue, wanted in waiting]
        if not pack.jobs:
            return
        budget.spend(pack.tokens)
        yield Pack(tuple(pack.jobs), pack.requests)
        waiting = [(queue, wanted - count) for queue, wanted, count in counts if wanted > count]


def _own(giants: Sequence[Queue], budget: _Budget) -> Iterator[Pack]:
    left = {queue.job: queue.requests for queue in giants}
    load = _Load(giants)
    waiting = list(giants)
    while waiting and budget.slots > budget.kept_slots:
        queue = min(waiting, key=load.turn)
        count = _worthwhile(queue, left[queue.job], budget)
        if count:
            budget.spend(count * queue.tokens_each)
            yield Pack((queue.job,), count)
            load.add(queue, count)
            left[queue.job] -= count
        if count == 0 or left[queue.job] == 0:
            waiting.remove(queue)


def _worthwhile(queue: Queue, wanted: int, budget: _Budget) -> int:
    """How many requests to send in an OpenAI batch of the job's own; 0 if hardly any fit now."""
    each = queue.tokens_each
    most = _fitting(each, min(wanted, MAX_BATCH_REQUESTS), max(budget.per_pack, each))
    count = _fitting(each, most, budget.tokens - budget.kept_tokens)
    return count if count >= most * _SMALLEST_FILL else 0


def _fitting(tokens_each: int, wanted: int, tokens: float) -> int:
    """How many of the wanted requests the tokens are enough for."""
    return wanted if wanted * tokens_each <= tokens else max(0, int(tokens // tokens_each))


class _Load:
    """What clients and jobs have in flight: whoever has less goes first."""

    def __init__(self, queues: Iterable[Queue]) -> None:
        self._clients: defaultdict[str, int] = defaultdict(int)
        self._jobs: defaultdict[Hashable, int] = defaultdict(int)
        for queue in queues:
            self.add(queue, queue.in_flight)

    def add(self, queue: Queue, requests: int) -> None:
        self._clients[queue.client] += requests
        self._jobs[queue.job] += requests

    def turn(self, queue: Queue) -> tuple[int, int, float]:
        return self._clients[queue.client], self._jobs[queue.job], -queue.waited


def _in_turn(queues: Sequence[Queue]) -> list[Queue]:
    """One job of each client, then the second of each, and so on."""
    load = _Load(queues)
    seen: defaultdict[str, int] = defaultdict(int)
    ranked = []
    for queue in sorted(queues, key=load.turn):
        ranked.append((seen[queue.client], queue))
        seen[queue.client] += 1
    ranked.sort(key=lambda entry: entry[0])
    return [queue for _, queue in ranked]

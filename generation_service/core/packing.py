"""Which queued requests go into the next OpenAI batch.

A small job must never wait behind a giant, nor a giant for ever behind small ones, though both
want the same few OpenAI batches and the same enqueued tokens. So:

- A giant gets OpenAI batches of its own; small jobs wait a moment and share. What is left of a
  giant, after retries say, shares with what is left of others, never with small jobs.
- One OpenAI batch and a tenth of a model's tokens are kept for small jobs. Beyond that, small
  jobs and giants go in turn.
- Whoever has a turn and finds too few tokens has them kept as they come free: what goes
  meanwhile uses others.
- Within a size clients take turns, then the jobs of a client: who has less in flight is next,
  then who had its last turn longest ago. So a client with nothing in flight waits for at most one
  OpenAI batch of each other client.
- The more OpenAI batches are in flight for the same queue, the longer it gathers: crumbs would
  use all of them up.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from generation_service.core.limits import MAX_BATCH_REQUESTS, OWN_BATCH_REQUESTS
from generation_service.core.room import Queue, Room, Size, Standing
from generation_service.core.status import Kind

_WORTHWHILE_PART: Final = 4  # of what might go at once: tokens are no use in crumbs
_MOST_DOUBLINGS: Final = 6  # of the linger: ten minutes where it is ten seconds


@dataclass(frozen=True, slots=True)
class Share:
    """The first `requests` of a job, as far as they have at most so many tokens (None: any)."""

    job: Hashable
    requests: int
    tokens: int | None


@dataclass(frozen=True, slots=True)
class Pack:
    """One OpenAI batch to build."""

    kind: Kind
    model: str
    shares: tuple[Share, ...]


def next_pack(queues: Sequence[Queue], room: Room, *, linger: float) -> Pack | None:
    """The OpenAI batch to build now, if there is one; look again when it is in flight."""
    ready = {size: _ready(queues, room, size, linger) for size in Size}
    reserved: defaultdict[str, int] = defaultdict(int)
    for size in (Size.GIANT, Size.SMALL) if room.small_went_last else (Size.SMALL, Size.GIANT):
        if not room.has_slot(size):
            continue
        for head in _heads(ready[size]):
            wish = _wish(head, ready[size], room)
            pack = _granted(wish, room.available(size, head.model, reserved[head.model]))
            if pack is not None:
                return pack
            reserved[head.model] += wish.least
    return None


def _ready(queues: Sequence[Queue], room: Room, size: Size, linger: float) -> list[Queue]:
    """Those of the size that have waited long enough, in turn."""
    sized = [queue for queue in queues if queue.requests > 0 and room.size(queue) is size]
    if size is Size.GIANT:
        return _in_turn([queue for queue in sized if _is_due(queue, room, linger)], room, size)
    due = {kind for kind in Kind if _are_due(kind, sized, room, linger)}
    return _in_turn([queue for queue in sized if queue.kind in due], room, size)


def _is_due(queue: Queue, room: Room, linger: float) -> bool:
    full = queue.tokens >= room.largest(queue.model)
    complete = queue.fills_its_own and not queue.growing
    return full or complete or queue.waited >= _patience(linger, queue.batches)


def _are_due(kind: Kind, small: Sequence[Queue], room: Room, linger: float) -> bool:
    """Whether one of the small jobs has lingered, or together they fill an OpenAI batch."""
    mine = [queue for queue in small if queue.kind is kind]
    if not mine:
        return False
    patience = _patience(linger, room.sharing.get(kind, 0))
    return (
        max(queue.waited for queue in mine) >= patience
        or sum(queue.requests for queue in mine) >= MAX_BATCH_REQUESTS
        or sum(queue.tokens for queue in mine) >= room.largest(mine[0].model)
    )


def _patience(linger: float, batches: int) -> float:
    return float(linger * 2 ** min(batches, _MOST_DOUBLINGS))


def _in_turn(queues: Sequence[Queue], room: Room, size: Size) -> list[Queue]:
    """One job of each client, then the second of each, and so on."""

    def turn(queue: Queue) -> tuple[float, ...]:
        client = room.clients.get((queue.client, size), Standing())
        # A few requests in flight, for a retry say, are no reason to stand back.
        return (
            client.in_flight // OWN_BATCH_REQUESTS,
            -client.since_turn,
            queue.in_flight // OWN_BATCH_REQUESTS,
            -queue.since_turn,
            -queue.waited,
        )

    seen: defaultdict[str, int] = defaultdict(int)
    ranked = []
    for queue in sorted(queues, key=turn):
        ranked.append((seen[queue.client], queue))
        seen[queue.client] += 1
    ranked.sort(key=lambda entry: entry[0])
    return [queue for _, queue in ranked]


def _heads(ready: Sequence[Queue]) -> Iterator[Queue]:
    """Whose turn it is, for each model: nobody gets past the one who waits for its tokens."""
    seen = set()
    for queue in ready:
        if queue.model not in seen:
            seen.add(queue.model)
            yield queue


@dataclass(frozen=True, slots=True)
class _Wish:
    """What would go with all the room in the world; `least` are the tokens that make it worth it.

    With `alone` it is one request that is larger than an OpenAI batch should be.
    """

    head: Queue
    sharers: Sequence[Queue]
    most: float
    least: int
    alone: bool = False


def _wish(head: Queue, ready: Sequence[Queue], room: Room) -> _Wish:
    most = room.largest(head.model)
    if head.first > most:
        # One that is larger than all there can be waits until nothing else of its size is left.
        least = min(head.first, room.limit(head.model) - room.kept(head.model))
        return _Wish(head, [head], most, int(least), alone=True)
    sharers = [head]
    if not head.fills_its_own:
        same = [q for q in ready if q.kind is head.kind and not q.fills_its_own]
        sharers = [head, *(queue for queue in same if queue is not head)]
    whole = sum(share.tokens or 0 for share in _filled(sharers, most))
    return _Wish(head, sharers, most, max(head.first, whole // _WORTHWHILE_PART))


def _granted(wish: _Wish, available: float) -> Pack | None:
    """The OpenAI batch that the tokens are enough for; None if they are worth the wait."""
    head = wish.head
    if wish.least > available:
        return None
    tokens = min(wish.most, available)
    if wish.alone:
        shares = [Share(head.job, 1, None)]
    elif head.fills_its_own:  # there may be more than were counted
        most = None if tokens == math.inf else int(tokens)
        shares = [Share(head.job, MAX_BATCH_REQUESTS, most)]
    else:
        shares = _filled(wish.sharers, tokens)
    return Pack(head.kind, head.model, tuple(shares))


def _filled(sharers: Sequence[Queue], tokens: float) -> list[Share]:
    """What of the queues fits, in their order; the last one may go in part."""
    shares: list[Share] = []
    requests = 0
    for queue in sharers:
        if queue.first > tokens or requests == MAX_BATCH_REQUESTS:
            break
        count = min(queue.requests, MAX_BATCH_REQUESTS - requests)
        taken = int(min(queue.tokens, tokens))
        shares.append(Share(queue.job, count, taken))
        requests += count
        tokens -= taken
    return shares

"""Who has what in OpenAI batches, and who had the last turns: what packing decides by."""

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from generation_service.core.limits import OWN_BATCH_REQUESTS
from generation_service.core.room import Queue, Room, Size, Standing
from generation_service.core.status import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """A job's share of an OpenAI batch.

    `open` until the OpenAI batch has ended; `tokens` are those of all of it; `age` is in seconds
    since it was packed. Of the job's `requests` in it `unanswered` have no outcome yet.
    """

    openai_batch: Hashable
    kind: Kind
    model: str
    tokens: int
    open: bool
    age: float
    job: Hashable
    client: str
    requests: int
    unanswered: int


def boarded(queues: Iterable[Queue], flights: Iterable[Flight]) -> list[Queue]:
    """The queues, with what their jobs have in flight and when they had their last turn."""
    in_flight: Counter[Hashable] = Counter()
    batches: Counter[Hashable] = Counter()
    turns: defaultdict[Hashable, float] = defaultdict(lambda: math.inf)
    for flight in flights:
        turns[flight.job] = min(turns[flight.job], flight.age)
        if flight.open:
            in_flight[flight.job] += flight.unanswered
            batches[flight.job] += 1
    return [
        replace(
            queue,
            in_flight=in_flight[queue.job],
            batches=batches[queue.job],
            since_turn=turns[queue.job],
        )
        for queue in queues
    ]


def room(
    queues: Sequence[Queue],
    flights: Sequence[Flight],
    *,
    slot_limit: int,
    token_limits: Mapping[str, int],
) -> Room:
    """The room that the flights leave; `queues` tell which jobs are giants now."""
    empty = Room(slot_limit=slot_limit, token_limits=token_limits)
    giants = _giants(queues, flights, empty)
    sizes: dict[Hashable, Size] = {}
    for flight in flights:  # one giant makes it a giant's
        if _size(flight, giants) is Size.GIANT or flight.openai_batch not in sizes:
            sizes[flight.openai_batch] = _size(flight, giants)
    in_the_air = {flight.openai_batch: flight for flight in flights if flight.open}
    tokens: Counter[tuple[str, Size]] = Counter()
    for batch, flight in in_the_air.items():
        tokens[flight.model, sizes[batch]] += flight.tokens
    last = min(flights, key=lambda flight: flight.age, default=None)
    return replace(
        empty,
        slots=Counter(sizes[batch] for batch in in_the_air),
        sharing=Counter(f.kind for batch, f in in_the_air.items() if sizes[batch] is Size.SMALL),
        tokens=tokens,
        clients=_standings(flights, giants),
        small_went_last=last is not None and sizes[last.openai_batch] is Size.SMALL,
    )


def _giants(queues: Sequence[Queue], flights: Iterable[Flight], limits: Room) -> set[Hashable]:
    """The jobs with as much to do as a giant has, queued or in flight."""
    load: Counter[Hashable] = Counter()
    for queue in queues:
        load[queue.job] += queue.requests
    for flight in flights:
        load[flight.job] += flight.unanswered if flight.open else 0
    giants = {job for job, requests in load.items() if requests >= OWN_BATCH_REQUESTS}
    return giants | {queue.job for queue in queues if limits.size(queue) is Size.GIANT}


def _size(flight: Flight, giants: set[Hashable]) -> Size:
    """A giant's share stays one when most of it is answered."""
    giant = flight.job in giants or flight.requests >= OWN_BATCH_REQUESTS
    return Size.GIANT if giant else Size.SMALL


def _standings(
    flights: Iterable[Flight], giants: set[Hashable]
) -> dict[tuple[str, Size], Standing]:
    standings: dict[tuple[str, Size], Standing] = {}
    for flight in flights:
        size = _size(flight, giants)
        so_far = standings.get((flight.client, size), Standing())
        standings[flight.client, size] = Standing(
            so_far.in_flight + (flight.unanswered if flight.open else 0),
            min(so_far.since_turn, flight.age),
        )
    return standings

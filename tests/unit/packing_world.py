"""Packing over time: jobs arrive, OpenAI batches take as long as they like, and the books are kept.

The model claims as db/queue.py does: each job's oldest requests, as far as their exact tokens go.
"""

import itertools
from collections import deque
from dataclasses import dataclass, field

from generation_service.core.flights import Flight, boarded, room
from generation_service.core.limits import OWN_BATCH_REQUESTS
from generation_service.core.packing import Pack, next_pack
from generation_service.core.room import Queue
from generation_service.core.status import Kind

MODELS = {Kind.VISION: "v", Kind.TRANSLATION: "t"}


@dataclass
class Job:
    """`waiting` holds the tokens of its queued requests, in order."""

    name: str
    client: str
    kind: Kind
    waiting: deque[int]
    arrived: float


@dataclass
class Batch:
    number: int
    kind: Kind
    packed: float
    shares: dict[str, list[int]]
    open: bool = True

    @property
    def tokens(self) -> int:
        return sum(sum(requests) for requests in self.shares.values())


@dataclass
class World:
    slot_limit: int
    token_limits: dict[str, int]
    models: dict[Kind, str] = field(default_factory=lambda: dict(MODELS))
    now: float = 0.0
    jobs: dict[str, Job] = field(default_factory=dict)
    batches: list[Batch] = field(default_factory=list)

    def arrive(self, name: str, requests: list[int], client: str, kind: Kind = Kind.VISION) -> None:
        self.jobs[name] = Job(name, client, kind, deque(requests), self.now)

    @property
    def open(self) -> list[Batch]:
        return [batch for batch in self.batches if batch.open]

    @property
    def waiting(self) -> list[Job]:
        return [job for job in self.jobs.values() if job.waiting]

    def pack(self) -> list[Batch]:
        """All that can go now, one after the other."""
        begun = len(self.batches)
        while (pack := self._next()) is not None:
            self.now += 0.001
            self._claim(pack)
        return self.batches[begun:]

    def end(self, which: int) -> None:
        """One of the open OpenAI batches has ended."""
        if self.open:
            self.open[which % len(self.open)].open = False
        self.now += 1.0

    def _next(self) -> Pack | None:
        remembered = [b for b in self.batches if b.open or b.number >= len(self.batches) - 30]
        flights = [flight for batch in remembered for flight in self._flights(batch)]
        queues = boarded([self._queue(job) for job in self.waiting], flights)
        limits = room(queues, flights, slot_limit=self.slot_limit, token_limits=self.token_limits)
        return next_pack(queues, limits, linger=0.0)

    def _queue(self, job: Job) -> Queue:
        counted = list(itertools.islice(job.waiting, OWN_BATCH_REQUESTS))
        return Queue(
            job=job.name,
            client=job.client,
            kind=job.kind,
            model=self.models[job.kind],
            requests=len(counted),
            tokens=sum(counted),
            first=counted[0],
            waited=self.now - job.arrived,
        )

    def _flights(self, batch: Batch) -> list[Flight]:
        return [
            Flight(
                openai_batch=batch.number,
                kind=batch.kind,
                model=self.models[batch.kind],
                tokens=batch.tokens,
                open=batch.open,
                age=self.now - batch.packed,
                job=name,
                client=self.jobs[name].client,
                requests=len(requests),
                unanswered=len(requests) if batch.open else 0,
            )
            for name, requests in batch.shares.items()
        ]

    def _claim(self, pack: Pack) -> None:
        shares = {}
        for share in pack.shares:
            queued, left = self.jobs[str(share.job)].waiting, share.tokens
            taken: list[int] = []
            while queued and len(taken) < share.requests and (left is None or queued[0] <= left):
                left = None if left is None else left - queued[0]
                taken.append(queued.popleft())
            shares[str(share.job)] = taken
        batch = Batch(
            len(self.batches), pack.kind, self.now, {k: v for k, v in shares.items() if v}
        )
        assert batch.shares, "an OpenAI batch without requests"
        self.batches.append(batch)
        self._check(batch)

    def _check(self, newest: Batch) -> None:
        """No limit is broken at any moment; a request above nine tenths of one goes alone."""
        assert len(self.open) <= self.slot_limit
        for model, limit in self.token_limits.items():
            mine = [batch for batch in self.open if self.models[batch.kind] == model]
            exempt = [b for b in mine if b.tokens > limit * 0.9 and self._requests(b) == 1]
            assert sum(batch.tokens for batch in mine) <= limit or exempt
        assert self._requests(newest) <= 50_000

    @staticmethod
    def _requests(batch: Batch) -> int:
        return sum(len(requests) for requests in batch.shares.values())

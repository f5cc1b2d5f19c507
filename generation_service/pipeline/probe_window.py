"""What a process holds while it probes: lots, and the photos they wait for."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final
from uuid import UUID

from generation_service.db.lots import ClaimedLot
from generation_service.db.probes import Known

PHOTOS_HELD: Final = 8_192
"""Without an answer yet, in all jobs. A job alone takes up to half, so that others find room."""
_ELSEWHERE_SECONDS: Final = 1.0  # another process probes one of its photos
_PARKED_SECONDS: Final = 30.0  # half of what a host is parked for

Reasons = Mapping[str, str | None]


@dataclass(slots=True, eq=False)
class HeldLot:
    """A lot that waits for `unknown` photos; of those that are known, some are `missing`."""

    lot: ClaimedLot
    held_since: float
    unknown: int = 0
    missing: set[str] = field(default_factory=set)
    again_in: float | None = None
    """Seconds until it is tried again: one of its photos can't be probed here and now."""


@dataclass(frozen=True, slots=True)
class News:
    """What is to be recorded together, photos by job; `done` are lots that wait for nothing."""

    found: Mapping[UUID, Reasons]
    """Why photos are unreachable, None if they are not."""
    left: Mapping[UUID, Collection[str]]
    """Photos that were claimed, and are given back without an answer."""
    done: Sequence[HeldLot]


class Window:
    """`claimed` lots go in; what is `answered` and `parked` comes out as news. No IO, no clock."""

    def __init__(self) -> None:
        self._lots: dict[int, HeldLot] = {}
        self._waiting: dict[str, list[HeldLot]] = {}
        self._photos: Counter[UUID] = Counter()
        self._forget_news()

    def __bool__(self) -> bool:
        return bool(self._lots)

    @property
    def is_waiting(self) -> bool:
        """Whether a photo has no answer yet."""
        return bool(self._waiting)

    @property
    def has_news(self) -> bool:
        return bool(self._found or self._left or self._done)

    def busy(self) -> list[UUID]:
        """The jobs that have more than half of their part, and so get no more for now."""
        part = PHOTOS_HELD // (len(self._photos) + 1)
        if self._photos.total() >= PHOTOS_HELD:
            part = 0
        return [job_id for job_id, photos in self._photos.items() if photos > part // 2]

    def claimed(
        self, lots: Iterable[ClaimedLot], known: Iterable[Known], now: float
    ) -> list[tuple[str, str]]:
        """Take in lots; gives the photos that have to be asked for, and for which client."""
        states = {(photo.job_id, photo.url): photo.reachable for photo in known}
        asked: list[tuple[str, str]] = []
        for lot in lots:
            held = self._lots[lot.id] = HeldLot(lot, now)
            for url in dict.fromkeys(lot.image_urls):
                if (lot.job_id, url) not in states:
                    asked += self._wait_for(url, held)
                elif (reachable := states[lot.job_id, url]) is None:
                    held.again_in = _ELSEWHERE_SECONDS
                elif not reachable:
                    held.missing.add(url)
            self._settle(held)
        return asked

    def _wait_for(self, url: str, held: HeldLot) -> list[tuple[str, str]]:
        held.unknown += 1
        self._photos[held.lot.job_id] += 1
        if url in self._waiting:
            self._waiting[url].append(held)
            return []
        self._waiting[url] = [held]
        return [(url, held.lot.client)]

    def answered(self, url: str, reason: str | None) -> None:
        """Note why a photo is unreachable; None when it is not."""
        for held in self._waiting.pop(url):
            self._found[held.lot.job_id][url] = reason
            if reason is not None:
                held.missing.add(url)
            self._known(held)

    def parked(self, url: str) -> None:
        """Note that a photo's host is parked: its lots are tried again later."""
        for held in self._waiting.pop(url):
            self._left[held.lot.job_id].append(url)
            held.again_in = _PARKED_SECONDS
            self._known(held)

    def give_up(self) -> None:
        """Make news of all that is held: anybody may claim at once what is not known by now."""
        waiting, self._waiting = self._waiting, {}
        for url, lots in waiting.items():
            for held in lots:
                self._left[held.lot.job_id].append(url)
                held.again_in = 0.0
                self._known(held)

    def news(self) -> News:
        """What came out since the last time; the lots that are done are forgotten."""
        news = News(self._found, self._left, self._done)
        self._forget_news()
        for held in news.done:
            del self._lots[held.lot.id]
        return news

    def held_since(self, before: float, now: float) -> dict[UUID, tuple[list[int], list[str]]]:
        """Lots and the photos they wait for, by job: those held that long, who count as new now."""
        old = list(takewhile(lambda held: held.held_since < before, self._lots.values()))
        by_job: dict[UUID, tuple[list[int], list[str]]] = defaultdict(lambda: ([], []))
        for held in old:
            held.held_since = now
            self._lots[held.lot.id] = self._lots.pop(held.lot.id)
            ids, urls = by_job[held.lot.job_id]
            ids.append(held.lot.id)
            urls += [url for url in held.lot.image_urls if url in self._waiting]
        return by_job

    def _known(self, held: HeldLot) -> None:
        held.unknown -= 1
        job_id = held.lot.job_id
        self._photos[job_id] -= 1
        if not self._photos[job_id]:
            del self._photos[job_id]
        self._settle(held)

    def _settle(self, held: HeldLot) -> None:
        if not held.unknown:
            self._done.append(held)

    def _forget_news(self) -> None:
        self._found: dict[UUID, dict[str, str | None]] = defaultdict(dict)
        self._left: dict[UUID, list[str]] = defaultdict(list)
        self._done: list[HeldLot] = []

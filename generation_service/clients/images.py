"""Are the photos reachable? OpenAI refuses a whole request for one photo it can't download.

A photo is asked for as OpenAI will ask for it, by GET, but only its first bytes are taken:
HEAD lies or is refused on many hosts (docs/api.md §4).
"""

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from math import inf
from typing import Final, Self

from generation_service.clients.addresses import Allowed
from generation_service.clients.admission import Parking, Slots
from generation_service.clients.deadline import Deadline
from generation_service.clients.image_bytes import SIGNATURE_BYTES, is_animated, is_gif, is_image
from generation_service.clients.net import Answer, Outgoing, Transfers
from generation_service.clients.resolver import Resolver
from generation_service.core.limits import (
    IMAGE_CONNECT_SECONDS,
    IMAGE_REDIRECTS,
    IMAGE_TOTAL_SECONDS,
    IMAGES_IN_FLIGHT,
    IMAGES_PER_HOST,
    MAX_IMAGE_BYTES,
)
from generation_service.core.webhooks import USER_AGENT
from generation_service.telemetry import metrics

FIRST_BYTES: Final = 4 * 1024
GIF_BYTES: Final = 64 * 1024
LOOK_AHEAD: Final = 8_192  # URLs pulled before their answers are due; bounds the memory
_SMALL_BYTES: Final = 16 * 1024  # cheaper to read to the end than to connect anew
_SUCCESS: Final = range(200, 300)
_CONTENT_RANGE: Final = re.compile(r"bytes\s+[0-9*-]+/([0-9]{1,18})")
_WAIT_SECONDS: Final = 1.0
_Probe = tuple[str, str | None, int]  # a URL, who asks, and for how many of its bytes
_AskerOf = Callable[[str], str | None]
_HEADERS: Final = {
    "User-Agent": USER_AGENT,
    "Accept": "image/png,image/jpeg,image/webp,image/gif,*/*;q=0.5",
    "Accept-Encoding": "identity",  # a range of a gzip stream would be of no use
}
_FIRST_HEADERS: Final = _HEADERS | {"Range": f"bytes=0-{FIRST_BYTES - 1}"}
_GIF_HEADERS: Final = _HEADERS | {"Range": f"bytes=0-{GIF_BYTES - 1}"}


@dataclass(frozen=True, slots=True)
class ImageCheck:
    """`reason` is None for a reachable image, else a code fit for clients.

    not_an_image, animated_gif, too_large, http_status_NNN, or an error of messages.Answer.
    """

    reachable: bool
    reason: str | None = None


class ImageProber:
    """Checks photos; one per process, shared by its threads.

    The caps and the record of dead hosts hold for the process.
    """

    def __init__(
        self,
        *,
        allowed_private: Allowed,
        max_in_flight: int = IMAGES_IN_FLIGHT,
        max_per_host: int = IMAGES_PER_HOST,
        connect_seconds: float = IMAGE_CONNECT_SECONDS,
        resolver: Resolver | None = None,
        parking: Parking | None = None,
    ) -> None:
        self._allowed_private = allowed_private
        self._connect_seconds = connect_seconds
        self._resolver = resolver or Resolver()
        self._slots = Slots(max_in_flight, max_per_host, parking or Parking())

    def probing(self, *, patient: bool = True) -> "Probing":
        """For whoever has photos to ask for as long as it runs; use it in a `with` block.

        Someone whose own client is waiting is not `patient`: photos of a parked host are then
        unreachable at once instead of after its 60 s.
        """
        transfers: Transfers[_Probe] = Transfers(
            allowed_private=self._allowed_private,
            max_in_flight=self._slots.total,
            max_per_host=self._slots.per_host,
            resolver=self._resolver,
            share=self._slots.join(patient=patient),
        )
        return Probing(transfers, self._connect_seconds)

    def check(
        self,
        urls: Iterable[str],
        *,
        patient: bool = True,
        seconds: float = inf,
        asker_of: _AskerOf = lambda _url: None,
    ) -> Generator[tuple[str, ImageCheck], None, None]:
        """Each distinct URL once, in the order in which they are settled.

        `urls` is pulled as room appears and may be long: a URL already seen is remembered by its
        hash alone. After `seconds` it stops, whatever has no answer yet; close the generator to
        stop earlier. Answers travel only while the caller asks for the next one, so don't let it
        sit for seconds between two: photos would be asked for again. `asker_of` tells whose a URL
        is, so that one client's slow names and hosts don't hold up the photos of others.
        """
        fresh = _distinct(urls)
        deadline = Deadline.after(seconds)
        with self.probing(patient=patient) as probing:
            _fill(probing, fresh, asker_of)
            while probing.in_flight and not deadline.passed:
                yield from probing.wait(_WAIT_SECONDS)
                _fill(probing, fresh, asker_of)


class Probing:
    """Photos on their way, driven by the one thread that calls `add` and `wait`.

    They make progress only inside `wait`.
    """

    def __init__(self, transfers: Transfers[_Probe], connect_seconds: float) -> None:
        self._transfers = transfers
        self._connect_seconds = connect_seconds

    @property
    def in_flight(self) -> int:
        """Photos added whose checks `wait` has not handed out yet, queued ones included."""
        return self._transfers.in_flight

    def add(self, url: str, asker: str | None = None) -> None:
        """Ask for a photo on behalf of `asker`."""
        request = self._request(url, _FIRST_HEADERS, IMAGE_TOTAL_SECONDS, asker)
        self._transfers.add((url, asker, FIRST_BYTES), request)

    def wait(self, seconds: float) -> list[tuple[str, ImageCheck]]:
        """Checks as soon as there are any; none after `seconds`, or when nothing is in flight."""
        checks = []
        for (url, asker, wanted), answer in self._transfers.wait(seconds):
            if _is_undecided(wanted, answer):
                left = IMAGE_TOTAL_SECONDS - answer.seconds
                more = self._request(url, _GIF_HEADERS, left, asker)
                self._transfers.add((url, asker, GIF_BYTES), more)
            else:
                check = judge(answer)
                metrics.photo_probed(reachable=check.reachable)
                checks.append((url, check))
        return checks

    def withdraw_parked(self) -> list[str]:
        """Take back the photos that wait for parked hosts: they get no check."""
        return [url for url, _asker, _wanted in self._transfers.withdraw_parked()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """Break off what is under way."""
        self._transfers.close()

    def _request(
        self, url: str, headers: Mapping[str, str], seconds: float, asker: str | None
    ) -> Outgoing:
        return Outgoing(
            url=url,
            headers=headers,
            connect_seconds=self._connect_seconds,
            total_seconds=seconds,
            max_bytes=GIF_BYTES,
            redirects=IMAGE_REDIRECTS,
            enough=_enough,
            asker=asker,
        )


def judge(answer: Answer) -> ImageCheck:
    """The verdict on one photo. A refusing status says more than a body that broke off."""
    reason = _status_reason(answer.status) or answer.error or _content_reason(answer)
    return ImageCheck(reachable=reason is None, reason=reason)


def _status_reason(status: int | None) -> str | None:
    return None if status is None or status in _SUCCESS else f"http_status_{status}"


def _content_reason(answer: Answer) -> str | None:
    if not is_image(answer.body):
        return "not_an_image"
    if is_gif(answer.body) and is_animated(answer.body):
        return "animated_gif"
    size = _size(answer.headers)
    return "too_large" if size is not None and size > MAX_IMAGE_BYTES else None


def _size(headers: Mapping[str, str]) -> int | None:
    """The whole file's bytes, when the server says so (RFC 9110 §14.4, §8.6)."""
    if "content-range" in headers:
        whole = _CONTENT_RANGE.fullmatch(headers["content-range"])
        return int(whole[1]) if whole else None
    return _length(headers)


def _length(headers: Mapping[str, str]) -> int | None:
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else None


def _distinct(urls: Iterable[str]) -> Iterator[str]:
    seen: set[int] = set()
    for url in urls:
        if hash(url) not in seen:
            seen.add(hash(url))
            yield url


def _fill(probing: Probing, fresh: Iterator[str], asker_of: _AskerOf) -> None:
    for url in islice(fresh, LOOK_AHEAD - probing.in_flight):
        probing.add(url, asker_of(url))


def _is_undecided(wanted: int, answer: Answer) -> bool:
    """Whether it is a GIF that may move further on, and there is more of it to ask for."""
    is_first = wanted == FIRST_BYTES and answer.error is None
    is_part = answer.status == HTTPStatus.PARTIAL_CONTENT and len(answer.body) == FIRST_BYTES
    return is_first and is_part and is_gif(answer.body) and is_animated(answer.body) is None


def _enough(status: int, headers: Mapping[str, str], head: bytes) -> bool:
    """Stop once the verdict is certain, unless the rest is short and keeps the connection."""
    is_short = (_length(headers) or GIF_BYTES) <= _SMALL_BYTES
    return not is_short and (status not in _SUCCESS or _is_certain(head))


def _is_certain(head: bytes) -> bool:
    if is_gif(head):
        return is_animated(head) is not None
    return len(head) >= SIGNATURE_BYTES

"""Raw multi-transfer of many URLs: libcurl's own loop, a free handle to the next URL."""

from collections.abc import Sequence
from typing import Any, Final

import pycurl

IN_FLIGHT: Final = 512
_SECONDS: Final = 30


def fetch_all(urls: Sequence[str], first_bytes: int) -> None:
    """GET the first bytes of each; RuntimeError when one of them can't be had."""
    multi = pycurl.CurlMulti()
    idle = [_handle(first_bytes) for _ in range(min(IN_FLIGHT, len(urls)))]
    waiting = iter(urls)
    busy = 0
    while True:
        while idle and (url := next(waiting, None)) is not None:
            handle = idle.pop()
            handle.setopt(pycurl.URL, url)
            multi.add_handle(handle)
            busy += 1
        if not busy:
            break
        multi.perform()
        ended = _ended(multi)
        for handle in ended:
            multi.remove_handle(handle)
        idle += ended
        busy -= len(ended)
        if not ended:
            multi.select(1.0)
    multi.close()


def _handle(first_bytes: int) -> Any:
    handle = pycurl.Curl()
    handle.setopt(pycurl.RANGE, f"0-{first_bytes - 1}")
    handle.setopt(pycurl.WRITEFUNCTION, len)
    handle.setopt(pycurl.TIMEOUT, _SECONDS)
    handle.setopt(pycurl.NOSIGNAL, 1)
    handle.setopt(pycurl.PROXY, "")
    return handle


def _ended(multi: Any) -> list[Any]:
    ended: list[Any] = []
    left = 1
    while left:
        left, good, bad = multi.info_read()
        if bad:
            raise RuntimeError(f"a photo could not be fetched: {bad[0][1:]}")
        ended += good
    return ended

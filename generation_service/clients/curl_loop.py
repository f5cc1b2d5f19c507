"""libcurl's multi interface on a selector: any number of transfers in one thread.

`CurlMulti.select` is built on select(2) and breaks at file descriptor 1024, so the sockets are
watched here and libcurl is told what happened (curl_multi_socket_action).
"""

import selectors
import time
from typing import Final, Self

import pycurl

_EVENTS: Final = {
    pycurl.POLL_IN: selectors.EVENT_READ,
    pycurl.POLL_OUT: selectors.EVENT_WRITE,
    pycurl.POLL_INOUT: selectors.EVENT_READ | selectors.EVENT_WRITE,
}

Ended = tuple[pycurl.Curl, int, str]


class CurlLoop:
    """Runs easy handles; `waker` is a file descriptor that ends a `poll` early."""

    def __init__(self, waker: int, *, idle_connections: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._waker = waker
        self._selector.register(waker, selectors.EVENT_READ)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, idle_connections)
        self._due: float | None = None
        self._running: set[pycurl.Curl] = set()

    def start(self, curl: pycurl.Curl) -> None:
        self._multi.add_handle(curl)
        self._running.add(curl)

    def poll(self, seconds: float) -> list[Ended]:
        """Wait for traffic at most so long; returns handles with libcurl's code and words."""
        for key, events in self._selector.select(self._patience(seconds)):
            if key.fd != self._waker:
                self._multi.socket_action(key.fd, _bitmask(events))
        if self._due is not None and time.monotonic() >= self._due:
            self._due = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        return self._ended()

    def close(self) -> None:
        for curl in self._running:
            self._multi.remove_handle(curl)
        self._multi.close()
        self._selector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _patience(self, seconds: float) -> float:
        if self._due is None:
            return seconds
        return min(seconds, max(0.0, self._due - time.monotonic()))

    def _ended(self) -> list[Ended]:
        ended: list[Ended] = []
        while True:
            left, succeeded, failed = self._multi.info_read()
            ended += [(curl, pycurl.E_OK, "") for curl in succeeded]
            ended += failed
            if not left:
                break
        for curl, _code, _text in ended:
            self._multi.remove_handle(curl)
            self._running.remove(curl)
        return ended

    def _watch(self, event: int, descriptor: int, _multi: object, _data: object) -> None:
        watched = descriptor in self._selector.get_map()
        if event == pycurl.POLL_REMOVE:
            if watched:
                self._selector.unregister(descriptor)
        elif watched:
            self._selector.modify(descriptor, _EVENTS[event])
        else:
            self._selector.register(descriptor, _EVENTS[event])

    def _set_timer(self, milliseconds: int) -> None:
        self._due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000


def _bitmask(events: int) -> int:
    readable = pycurl.CSELECT_IN if events & selectors.EVENT_READ else 0
    return readable | (pycurl.CSELECT_OUT if events & selectors.EVENT_WRITE else 0)

"""libcurl's multi interface on a poller: any number of transfers in one thread.

`CurlMulti.select` is built on select(2) and breaks at file descriptor 1024, so the sockets are
watched here and libcurl is told what happened (curl_multi_socket_action).
"""

import time
from typing import Final, Self

import pycurl

from generation_service.clients.poller import READ, WRITE, make_poller
from generation_service.clients.presence import Presence

_EVENTS: Final = {
    pycurl.POLL_IN: READ,
    pycurl.POLL_OUT: WRITE,
    pycurl.POLL_INOUT: READ | WRITE,
}
_ACTIONS: Final = {
    READ: pycurl.CSELECT_IN,
    WRITE: pycurl.CSELECT_OUT,
    READ | WRITE: pycurl.CSELECT_IN | pycurl.CSELECT_OUT,
}

Ended = tuple[pycurl.Curl, int, str]


class CurlLoop:
    """Runs easy handles; `waker` is a file descriptor that ends a `poll` early.

    `presence` is told when sockets are looked at.
    """

    def __init__(self, waker: int, presence: Presence, *, idle_connections: int) -> None:
        self._poller = make_poller()
        self._waker = waker
        self._presence = presence
        self._poller.watch(waker, READ)
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
        patience = self._patience(seconds)
        self._presence.note(asleep=patience)
        for descriptor, events in self._poller.poll(patience):
            if descriptor != self._waker:
                self._multi.socket_action(descriptor, _ACTIONS[events])
        if self._due is not None and time.monotonic() >= self._due:
            self._due = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._presence.note()
        return self._ended()

    def close(self) -> None:
        for curl in self._running:
            self._multi.remove_handle(curl)
        self._multi.close()
        self._poller.close()

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
        if event == pycurl.POLL_REMOVE:
            self._poller.rest(descriptor)
        else:
            self._poller.watch(descriptor, _EVENTS[event])

    def _set_timer(self, milliseconds: int) -> None:
        self._due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000

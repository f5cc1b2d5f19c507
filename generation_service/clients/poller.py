"""Sockets that are watched again and again: on epoll where there is one, else on a selector.

libcurl stops watching a connection whenever a transfer ends, and begins anew with the next one on
it. On epoll such a socket just stays: it is quiet, and forgotten when it stirs while nobody watches
it. Thousands of times a second this saves more than the transfers' own calls take.
"""

import contextlib
import select
import selectors
import sys
from collections.abc import Iterable
from typing import Final, Protocol

READ: Final = selectors.EVENT_READ
WRITE: Final = selectors.EVENT_WRITE


class Poller(Protocol):
    """`poll` waits for events of the descriptors that are watched; READ, WRITE or both."""

    def watch(self, descriptor: int, events: int) -> None: ...

    def rest(self, descriptor: int) -> None: ...

    def poll(self, seconds: float) -> Iterable[tuple[int, int]]: ...

    def close(self) -> None: ...


class SelectorPoller:
    """For every system."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def watch(self, descriptor: int, events: int) -> None:
        if descriptor in self._selector.get_map():
            self._selector.modify(descriptor, events)
        else:
            self._selector.register(descriptor, events)

    def rest(self, descriptor: int) -> None:
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def poll(self, seconds: float) -> Iterable[tuple[int, int]]:
        return [(key.fd, events) for key, events in self._selector.select(seconds)]

    def close(self) -> None:
        self._selector.close()


if sys.platform == "linux":

    class EpollPoller:
        """The kernel forgets a socket that is closed, so one that is reopened is found missing."""

        def __init__(self) -> None:
            self._epoll = select.epoll()
            self._watched: set[int] = set()

        def watch(self, descriptor: int, events: int) -> None:
            self._watched.add(descriptor)
            mask = (select.EPOLLIN if events & READ else 0) | (
                select.EPOLLOUT if events & WRITE else 0
            )
            try:
                self._epoll.modify(descriptor, mask)
            except FileNotFoundError:
                self._epoll.register(descriptor, mask)

        def rest(self, descriptor: int) -> None:
            self._watched.discard(descriptor)

        def poll(self, seconds: float) -> Iterable[tuple[int, int]]:
            for descriptor, mask in self._epoll.poll(seconds):
                if descriptor in self._watched:
                    # Errors are both, as in `selectors`: whoever reads or writes meets them.
                    readable = READ if mask & ~select.EPOLLOUT else 0
                    yield descriptor, readable | (WRITE if mask & ~select.EPOLLIN else 0)
                else:
                    with contextlib.suppress(OSError):
                        self._epoll.unregister(descriptor)

        def close(self) -> None:
            self._epoll.close()


def make_poller() -> Poller:
    return EpollPoller() if sys.platform == "linux" else SelectorPoller()

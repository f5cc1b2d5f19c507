"""Threads for requests, of which the one that rested least is woken first.

ThreadPoolExecutor has its threads take turns. After a burst of requests there are a hundred of
them, and every request would be answered by the one whose memory has been out of the processor's
caches for longest: a service that was busy once would poll a third slower from then on.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from threading import RLock
from typing import Generic, TypeVar

_T = TypeVar("_T")


class NewestWaiterFirst(Generic[_T]):
    """A queue: items come in their order, but go to whoever began to wait for one last."""

    def __init__(self) -> None:
        self._lock = RLock()  # a signal's handler may put while its thread puts
        self._items: deque[_T] = deque()
        self._waiting: list[SimpleQueue[_T]] = []

    def put(self, item: _T) -> None:
        with self._lock:
            if not self._waiting:
                self._items.append(item)
                return
            waiter = self._waiting.pop()
        waiter.put(item)

    def get(self, block: bool = True) -> _T:  # noqa: FBT001, FBT002 - as queue.SimpleQueue's
        """The oldest item; raises queue.Empty if there is none and `block` is false."""
        with self._lock:
            if self._items:
                return self._items.popleft()
            if not block:
                raise Empty
            waiter: SimpleQueue[_T] = SimpleQueue()
            self._waiting.append(waiter)
        return waiter.get()

    def get_nowait(self) -> _T:
        return self.get(block=False)


def make_thread_pool(threads: int) -> ThreadPoolExecutor:
    """At most so many threads; all but the order in which they are woken is as ever."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="request")
    pool._work_queue = NewestWaiterFirst()  # type: ignore[assignment]  # noqa: SLF001 - no other way in
    return pool

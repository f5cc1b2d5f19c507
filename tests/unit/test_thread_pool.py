"""Which thread answers the next request."""

from queue import Empty
from threading import Barrier, get_ident

import pytest

from generation_service.api.thread_pool import NewestWaiterFirst, make_thread_pool


def busy(pool, threads):
    """Have so many threads at work at once; returns their ids."""
    together = Barrier(threads, timeout=10)

    def meet():
        together.wait()
        return get_ident()

    return {work.result() for work in [pool.submit(meet) for _ in range(threads)]}


def test_after_a_burst_one_thread_does_what_one_can():
    with make_thread_pool(8) as pool:
        assert len(busy(pool, 8)) == 8
        # A thread tells its result before it rests: the one before it may be woken meanwhile.
        assert len({pool.submit(get_ident).result() for _ in range(200)}) < 8


def test_all_is_done_once_and_every_thread_ends():
    done: list[int] = []
    with make_thread_pool(4) as pool:
        for number in range(2_000):
            pool.submit(done.append, number)
    assert sorted(done) == list(range(2_000))


def test_what_nobody_waits_for_is_kept_in_its_order():
    queue = NewestWaiterFirst[int]()
    for number in range(3):
        queue.put(number)
    assert [queue.get(), queue.get_nowait(), queue.get()] == [0, 1, 2]
    with pytest.raises(Empty):
        queue.get_nowait()

"""A body that falls behind is cut off, one that keeps its pace is not."""

from contextlib import closing
from socket import socketpair

from generation_service.api.slow_peers import Pace


def test_a_silent_sender_is_cut_off_and_can_still_be_answered():
    here, there = socketpair()
    with closing(here), closing(there), Pace(here, grace=-1.0) as pace:
        assert here.recv(1) == b""
        assert pace.too_slow
        here.sendall(b"408")
        assert there.recv(3) == b"408"


def test_a_sender_that_keeps_its_pace_is_left_alone():
    here, there = socketpair()
    pace = Pace(here, grace=-1.0)
    pace.received(1_000_000)
    with closing(here), closing(there), pace:
        there.sendall(b"x")
        assert here.recv(1) == b"x"
        assert not pace.too_slow


def test_blocks_grow_with_what_has_come():
    pace = Pace(None, grace=10)
    sizes = [pace.block]
    for _ in range(3):
        pace.received(100_000)
        sizes.append(pace.block)
    pace.received(100_000_000)
    assert [*sizes, pace.block] == [1024, 16_384, 16_384, 16_384, 16_384]


def test_what_was_sent_quickly_is_no_credit_for_a_rest():
    here, there = socketpair()
    pace = Pace(here, grace=-15.5)  # half a second for a block of 16 KiB
    pace.received(100_000_000)
    with closing(here), closing(there), pace:
        assert here.recv(1) == b""
        assert pace.too_slow

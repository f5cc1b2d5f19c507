"""The limits of an input file."""

from generation_service.core.filling import Filling


def test_filling_stops_at_each_limit():
    filling = Filling(max_requests=3, max_bytes=100)
    assert filling.take(40)
    assert not filling.take(61)
    assert filling.take(60)
    assert filling.take(0)
    assert not filling.take(0)
    assert (filling.requests, filling.bytes) == (3, 100)


def test_filling_always_takes_the_first_request():
    filling = Filling(max_requests=10, max_bytes=100)
    assert filling.take(101)
    assert not filling.take(1)

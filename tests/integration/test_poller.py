"""Both pollers behave alike; epoll's keeps sockets that rest, and must not be fooled by them."""

import socket
import sys

import pytest

from generation_service.clients.poller import READ, WRITE, SelectorPoller, make_poller


@pytest.fixture(params=[SelectorPoller, make_poller])
def poller(request):
    made = request.param()
    yield made
    made.close()


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def seen(poller):
    return list(poller.poll(0.0))


def test_this_system_has_its_best_poller():
    assert isinstance(make_poller(), SelectorPoller) == (sys.platform != "linux")


def test_what_is_watched_is_seen(poller, pair):
    ours, theirs = pair
    poller.watch(ours.fileno(), READ)
    assert seen(poller) == []
    theirs.send(b"!")
    assert seen(poller) == [(ours.fileno(), READ)]
    poller.watch(ours.fileno(), READ | WRITE)
    assert seen(poller) == [(ours.fileno(), READ | WRITE)]


def test_what_rests_is_not_seen_until_it_is_watched_again(poller, pair):
    ours, theirs = pair
    poller.watch(ours.fileno(), READ)
    poller.rest(ours.fileno())
    theirs.send(b"!")
    assert (seen(poller), seen(poller)) == ([], [])
    poller.watch(ours.fileno(), READ)
    assert seen(poller) == [(ours.fileno(), READ)]


def test_a_peer_that_hangs_up_is_seen_by_readers_and_writers(poller, pair):
    ours, theirs = pair
    poller.watch(ours.fileno(), READ)
    theirs.close()
    ((_descriptor, events),) = seen(poller)
    assert events & READ


def test_a_new_socket_with_the_number_of_a_closed_one_is_watched_anew(poller, pair):
    ours, _theirs = pair
    poller.watch(ours.fileno(), READ)
    poller.rest(ours.fileno())
    number = ours.detach()
    socket.close(number)
    fresh, other = socket.socketpair()
    with fresh, other:
        assert number in {fresh.fileno(), other.fileno()}
        reader, writer = (fresh, other) if fresh.fileno() == number else (other, fresh)
        poller.watch(number, READ)
        writer.send(b"!")
        assert seen(poller) == [(number, READ)]
        assert reader.recv(1) == b"!"

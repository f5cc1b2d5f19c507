"""Whoever drives the transfers may be kept away for seconds: their servers are not to blame."""

import time
from dataclasses import replace
from threading import Event

import pytest

from generation_service.clients.admission import Parking, Slots
from generation_service.clients.net import Transfers
from generation_service.clients.resolver import Resolver
from generation_service.core.limits import MAX_REPEATS, PARK_AFTER_FAILED_CONNECTS
from tests.outgoing import PLAIN, answers, transfers
from tests.servers import LoopbackServer, Reply
from tests.waiting import until

HASTY = replace(PLAIN, connect_seconds=1, total_seconds=1)
MANY = PARK_AFTER_FAILED_CONNECTS + 10


@pytest.fixture
def server():
    with LoopbackServer({"/": Reply(body=b"in")}) as running:
        yield running


@pytest.fixture
def gate(server):
    """Opens the path /held."""
    event = Event()
    server.replies["/held"] = Reply(body=b"in", held=event)
    yield event
    event.set()


def be_away(seconds=HASTY.total_seconds + 0.5):
    until_then = time.monotonic() + seconds
    until(lambda: time.monotonic() > until_then, what="the driver is back")


def sharing(slots, allowed, lookup=lambda _name: ["127.0.0.1"]):
    return Transfers[str](
        allowed_private=allowed,
        max_in_flight=1,
        max_per_host=1,
        resolver=Resolver(lookup),
        share=slots.join(),
    )


def test_a_connection_that_was_made_meanwhile_is_made_again(server):
    with transfers(server.allowed) as running:
        running.add("only", replace(HASTY, url=server.url()))
        assert running.wait(0) == []
        be_away()
        assert answers(running)["only"].body == b"in"


def test_a_photo_that_came_meanwhile_is_asked_for_again(server, gate):
    with transfers(server.allowed) as running:
        running.add("only", replace(HASTY, url=server.url("/held")))
        until(lambda: not running.wait(0.01) and server.hits("/held"), what="the request")
        gate.set()
        be_away()
        answer = answers(running)["only"]
    assert (answer.body, server.hits("/held")) == (b"in", 2)
    assert answer.seconds < HASTY.total_seconds


def test_a_server_that_did_not_wait_is_asked_again(server):
    """Its answer breaks off, as if it had lost its patience with us."""
    gate = Event()
    broken = Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", held=gate)
    server.replies["/cut"] = [broken, Reply(body=b"whole")]
    with transfers(server.allowed) as running:
        running.add("only", replace(PLAIN, url=server.url("/cut")))
        until(lambda: not running.wait(0.01) and server.hits("/cut"), what="the request")
        gate.set()
        be_away()
        assert answers(running)["only"].body == b"whole"


def test_a_post_is_never_sent_twice(server):
    server.replies["/hang"] = Reply(hang=True)
    with transfers(server.allowed) as running:
        post = replace(HASTY, url=server.url("/hang"), method="POST", body=b"x")
        running.add("only", post)
        until(lambda: not running.wait(0.01) and server.hits("/hang"), what="the request")
        be_away()
        assert answers(running)["only"].error == "timeout"
    assert server.hits("/hang") == 1


def test_an_absence_that_was_over_before_it_began_is_no_excuse(server):
    server.replies["/hang"] = Reply(hang=True)
    with transfers(server.allowed) as running:
        be_away()
        running.add("only", replace(HASTY, url=server.url("/hang")))
        answer = answers(running)["only"]
    assert (answer.error, server.hits("/hang")) == ("timeout", 1)
    assert answer.seconds > 0


def test_what_fails_again_and_again_is_answered_in_the_end(server):
    absences = 0
    with transfers(server.allowed) as running:
        running.add("only", replace(HASTY, url=server.url(), connect_seconds=0.3))
        while not (found := running.wait(0)):
            be_away(0.6)
            absences += 1
    ((_tag, answer),) = found
    assert answer.error == "connect_failed"
    assert absences > MAX_REPEATS


def test_a_host_is_not_parked_for_it(server):
    slots = Slots(MANY, MANY, Parking())
    with sharing(slots, server.allowed) as running:
        for number in range(MANY):
            running.add(str(number), replace(HASTY, url=server.url(f"/?{number}")))
        assert running.wait(0) == []
        be_away()
        running.wait(0)
        assert not slots.join().is_parked(("127.0.0.1", server.port))
        assert {answer.status for answer in answers(running).values()} == {200}


@pytest.mark.parametrize("when", ["while away", "afterwards"])
def test_a_name_that_is_found_then_leaves_all_the_time_to_connect(server, when):
    gate = Event()

    def lookup(_name):
        gate.wait()
        return ["127.0.0.1"]

    allowed = frozenset({("photos.test", server.port)})
    with transfers(allowed, lookup=lookup) as running:
        running.add("only", replace(HASTY, url=server.url(host="photos.test")))
        assert running.wait(0) == []
        if when == "while away":
            gate.set()
        be_away()
        running.wait(0)
        gate.set()
        answer = answers(running)["only"]
    assert (answer.error, answer.body) == (None, b"in")


def test_look_ups_that_are_given_up_park_nobody(server):
    gate = Event()

    def lookup(_name):
        gate.wait()
        return ["127.0.0.1"]

    slots = Slots(MANY, MANY, Parking())
    with sharing(slots, frozenset({("photos.test", server.port)}), lookup) as running:
        for number in range(MANY):
            url = server.url(f"/?{number}", "photos.test")
            running.add(str(number), replace(PLAIN, url=url, connect_seconds=0.3))
        found = answers(running)
        assert {answer.error for answer in found.values()} == {"dns_failed"}
        assert not slots.join().is_parked(("photos.test", server.port))
    gate.set()

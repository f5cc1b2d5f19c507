import time
from dataclasses import replace
from pathlib import Path
from threading import Event, Timer

import pytest

from generation_service.clients.admission import Slots
from generation_service.clients.net import Transfers
from tests.outgoing import PLAIN, answers, transfers
from tests.servers import LoopbackServer, Reply
from tests.waiting import until

LOOPBACK = ["127.0.0.1"]


@pytest.fixture
def server():
    with LoopbackServer({"/": Reply(body=b"in")}) as running:
        yield running


def open_files():
    return sum(1 for _ in Path("/dev/fd").iterdir())


def sharing(share, server):
    return Transfers[str](
        allowed_private=server.allowed, max_in_flight=10, max_per_host=10, share=share
    )


def test_no_more_than_the_cap_reach_one_host_at_once(server):
    gate = Event()
    server.replies["/held"] = Reply(held=gate)
    with transfers(server.allowed, at_once=50, per_host=3) as running:
        for number in range(12):
            running.add(str(number), replace(PLAIN, url=server.url(f"/held?{number}")))
        until(lambda: not running.wait(0.01) and len(server.received) == 3, what="three at once")
        gate.set()
        assert len(answers(running)) == 12
    assert server.most_at_once == 3


def test_no_more_than_the_cap_run_at_once_over_all_hosts(server):
    gate = Event()
    server.replies["/held"] = Reply(held=gate)
    hosts = [f"h{number}.test" for number in range(6)]
    allowed = frozenset((host, server.port) for host in hosts)
    with transfers(allowed, at_once=2, lookup=lambda _name: LOOPBACK) as running:
        for host in hosts:
            running.add(host, replace(PLAIN, url=server.url("/held", host)))
        until(lambda: not running.wait(0.01) and len(server.received) == 2, what="two at once")
        gate.set()
        assert len(answers(running)) == 6
    assert server.most_at_once == 2


def test_requests_to_one_host_go_out_in_order(server):
    with transfers(server.allowed, per_host=1) as running:
        for number in range(5):
            running.add(str(number), replace(PLAIN, url=server.url(f"/?{number}")))
        answers(running)
    assert [request.path for request in server.received] == [f"/?{n}" for n in range(5)]


def test_the_next_request_starts_as_soon_as_one_ends(server):
    began = time.monotonic()
    with transfers(server.allowed, per_host=1) as running:
        for number in range(200):
            running.add(str(number), replace(PLAIN, url=server.url()))
        answers(running)
    assert time.monotonic() - began < 5  # 200 rechecks would take 10


def test_a_host_that_is_full_does_not_delay_another(server):
    with LoopbackServer({"/": Reply(hang=True)}) as slow:
        both = server.allowed | slow.allowed
        with transfers(both, at_once=10, per_host=1) as running:
            for number in range(20):
                running.add(f"slow {number}", replace(PLAIN, url=slow.url()))
            running.add("quick", replace(PLAIN, url=server.url()))
            ((tag, answer),) = running.wait(5)
    assert (tag, answer.body) == ("quick", b"in")


def test_a_client_with_many_slow_hosts_does_not_delay_another(server):
    with LoopbackServer({"/": Reply(hang=True)}) as slow:
        hosts = [f"h{number}.test" for number in range(20)]
        allowed = server.allowed | {(host, slow.port) for host in hosts}
        hasty = replace(PLAIN, total_seconds=0.2)
        order = []
        with transfers(allowed, at_once=2, lookup=lambda _name: LOOPBACK) as running:
            for host in hosts:
                running.add(host, replace(hasty, url=slow.url(host=host), asker="many"))
            running.wait(0)
            running.add("quick", replace(PLAIN, url=server.url(), asker="few"))
            while running.in_flight:
                order += [tag for tag, _answer in running.wait(20)]
    assert order.index("quick") <= 3  # the two that run, and one whose turn is first


def test_time_in_the_queue_is_not_counted(server):
    server.replies["/hang"] = Reply(hang=True)
    with transfers(server.allowed, per_host=1) as running:
        running.add("hang", replace(PLAIN, url=server.url("/hang"), total_seconds=0.6))
        running.add("next", replace(PLAIN, url=server.url(), total_seconds=0.5))
        found = answers(running)
    assert found["hang"].error == "timeout"
    assert found["next"].body == b"in"
    assert found["next"].seconds < 0.5


def test_a_name_that_hangs_fails_in_time_and_delays_nobody(server):
    gate = Event()

    def lookup(name):
        if name == "slow.test":
            gate.wait()
        return LOOPBACK

    allowed = frozenset({("slow.test", server.port), ("quick.test", server.port)})
    with transfers(allowed, lookup=lookup) as running:
        for host in ("slow.test", "quick.test"):
            url = server.url(host=host)
            running.add(host, replace(PLAIN, url=url, connect_seconds=0.5))
        ((first, _answer),) = running.wait(5)
        slow = answers(running)["slow.test"]
    gate.set()
    assert first == "quick.test"
    assert (slow.error, slow.message) == (
        "dns_failed",
        "The name slow.test was not resolved in time.",
    )
    assert 0.4 < slow.seconds < 2


def test_a_name_is_looked_up_once_for_all_who_wait_for_it(server):
    looked_up = []

    def lookup(name):
        looked_up.append(name)
        return LOOPBACK

    allowed = frozenset({("photos.test", server.port)})
    with transfers(allowed, lookup=lookup) as running:
        for number in range(10):
            url = server.url(f"/?{number}", "photos.test")
            running.add(str(number), replace(PLAIN, url=url))
        found = answers(running)
    assert {answer.body for answer in found.values()} == {b"in"}
    assert looked_up == ["photos.test"]


def test_a_name_without_addresses_is_a_failed_look_up():
    def lookup(_name):
        raise OSError(-2, "Name or service not known")

    with transfers(lookup=lookup) as running:
        running.add("only", replace(PLAIN, url="http://nowhere.test/"))
        answer = answers(running)["only"]
    assert answer.error == "dns_failed"
    assert answer.message == "The name nowhere.test was not resolved: Name or service not known."


def test_connections_are_used_again(server):
    with transfers(server.allowed, per_host=1) as running:
        for number in range(10):
            running.add(str(number), replace(PLAIN, url=server.url()))
        answers(running)
    assert server.connections == 1


def test_waiting_for_nothing_returns_at_once():
    began = time.monotonic()
    with transfers() as running:
        assert running.wait(30) == []
    assert time.monotonic() - began < 5


def test_waiting_ends_after_the_seconds_given(server):
    server.replies["/hang"] = Reply(hang=True)
    with transfers(server.allowed) as running:
        running.add("only", replace(PLAIN, url=server.url("/hang")))
        assert running.wait(0.1) == []
        assert running.in_flight == 1


def test_closing_breaks_off_everything_and_gives_the_slots_back():
    slots = Slots(10, 10)
    before = open_files()
    with (
        LoopbackServer({"/": Reply(hang=True)}) as server,
        sharing(slots.join(), server) as running,
    ):
        for number in range(5):
            running.add(str(number), replace(PLAIN, url=server.url()))
        until(lambda: not running.wait(0.01) and len(server.received) == 5, what="five requests")
    assert (slots.taken, slots.shares) == (0, 0)
    assert open_files() == before


def test_a_slot_that_another_thread_gives_back_is_noticed(server):
    slots = Slots(1, 1)
    other = slots.join()
    host = ("127.0.0.1", server.port)
    assert other.take(host)
    with sharing(slots.join(), server) as running:
        running.add("only", replace(PLAIN, url=server.url()))
        later = Timer(0.1, other.give, [host], {"connected": True})
        later.start()
        assert answers(running)["only"].body == b"in"
    later.join()

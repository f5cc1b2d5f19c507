from queue import SimpleQueue
from threading import Event

import pytest

from generation_service.clients.resolver import Question, Resolution, Resolver, site_of


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Names:
    """A look-up by table, that counts and can be held back name by name."""

    def __init__(self, table=None):
        self.table = table or {}
        self.asked: SimpleQueue[str] = SimpleQueue()
        self.gates = {}

    def __call__(self, name):
        self.asked.put(name)
        if name in self.gates:
            self.gates[name].wait()
        if name not in self.table:
            raise OSError(-2, "Name or service not known")
        return self.table[name]


class Inbox:
    def __init__(self):
        self._letters: SimpleQueue[tuple[Question, Resolution]] = SimpleQueue()
        self.put = self._letters.put

    def get(self, timeout=10):
        question, resolution = self._letters.get(timeout=timeout)
        return question.name, resolution


def ask(resolver, *names, asker=None):
    inbox = Inbox()
    for name in names:
        resolver.resolve(Question(name, asker), inbox.put)
    return inbox


def test_a_listener_gets_the_addresses_without_repeats():
    inbox = ask(Resolver(Names({"a.test": ["10.0.0.1", "::1", "10.0.0.1"]})), "a.test")
    assert inbox.get() == ("a.test", Resolution(("10.0.0.1", "::1")))


@pytest.mark.parametrize("table", [{}, {"a.test": []}])
def test_a_name_without_addresses_is_an_error_in_words(table):
    _name, resolution = ask(Resolver(Names(table)), "a.test").get()
    assert resolution.addresses == ()
    assert resolution.error


def test_localhost_is_found_by_the_system():
    _name, resolution = ask(Resolver(), "localhost").get()
    assert {"127.0.0.1", "::1"} & set(resolution.addresses)


@pytest.mark.parametrize(("name", "seconds"), [("a.test", 630), ("missing.test", 5)])
def test_an_answer_is_of_use_for_ten_minutes_and_a_failure_for_5_seconds(name, seconds):
    clock = Clock()
    resolver = Resolver(Names({"a.test": ["10.0.0.1"]}), clock=clock)
    question = Question(name)
    assert resolver.cached(question) is None
    _name, resolution = ask(resolver, name).get()
    clock.now += seconds
    assert resolver.cached(question) is None
    ask(resolver, name).get()
    clock.now += seconds - 0.1
    assert resolver.cached(question) == resolution


def test_an_answer_older_than_30_seconds_is_renewed_behind_it():
    clock, names = Clock(), Names({"a.test": ["10.0.0.1"]})
    resolver = Resolver(names, clock=clock)
    ask(resolver, "a.test").get()
    names.table["a.test"] = ["10.0.0.2"]
    clock.now += 30
    assert resolver.cached(Question("a.test")) == Resolution(("10.0.0.1",))
    renewed = ask(resolver, "a.test").get()  # waits for the one under way, or asks again
    assert renewed == ("a.test", Resolution(("10.0.0.2",)))
    assert resolver.cached(Question("a.test")) == Resolution(("10.0.0.2",))


def test_a_name_under_way_is_not_asked_for_again():
    names = Names({"a.test": ["10.0.0.1"]})
    names.gates["a.test"] = gate = Event()
    inbox = ask(Resolver(names), "a.test", "a.test", "a.test")
    gate.set()
    assert len([inbox.get() for _ in range(3)]) == 3
    assert names.asked.qsize() == 1


def test_slow_names_of_one_site_leave_threads_for_the_others():
    slow = [f"{n}.slow.test" for n in range(20)]
    names = Names({"quick.test": ["10.0.0.1"]})
    gate = Event()
    names.gates = dict.fromkeys(slow, gate)
    resolver = Resolver(names, threads=5, per_site=4)
    inbox = ask(resolver, *slow, "quick.test")
    assert inbox.get()[0] == "quick.test"
    gate.set()
    assert {inbox.get()[0] for _ in slow} == set(slow)


def test_slow_names_of_one_client_leave_threads_for_the_others():
    slow = [f"name.slow{n}.test" for n in range(20)]
    names = Names({"quick.test": ["10.0.0.1"]})
    names.gates = dict.fromkeys(slow, gate := Event())
    resolver = Resolver(names, threads=4)
    late = ask(resolver, *slow, asker="acme")
    assert ask(resolver, "quick.test", asker="beta").get()[0] == "quick.test"
    gate.set()
    assert {late.get()[0] for _ in slow} == set(slow)


def test_a_name_that_waits_for_one_client_is_found_for_another_at_once():
    names = Names({"shared.test": ["10.0.0.1"]})
    names.gates = {"slow.test": Event()}
    resolver = Resolver(names, threads=4)
    late = ask(resolver, "slow.test", "shared.test", asker="acme")
    assert ask(resolver, "shared.test", asker="beta").get()[0] == "shared.test"
    names.gates["slow.test"].set()
    assert {late.get()[0] for _ in range(2)} == {"slow.test", "shared.test"}


def test_names_beyond_the_threads_wait_their_turn():
    every = [f"name{n}.test" for n in range(50)]
    inbox = ask(Resolver(Names({name: ["10.0.0.1"] for name in every}), threads=2), *every)
    assert {inbox.get()[0] for _ in every} == set(every)


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("example.com", "example.com"),
        ("a.b.example.com", "example.com"),
        ("img.shop.co.uk", "shop.co.uk"),
        ("co.uk", "co.uk"),
        ("intranet", "intranet"),
    ],
)
def test_a_site_is_what_one_owner_answers_for(name, site):
    assert site_of(name) == site

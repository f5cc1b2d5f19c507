"""Kills at named moments and at random ones: nothing is lost, nothing paid for twice."""

import random
from functools import partial

import pytest

from tests.faults import accounts, harness, snapshot
from tests.faults.points import MOMENTS
from tests.faults.stack import stack
from tests.faults.takeovers import PAUSES
from tests.faults.watch import Watch
from tests.waiting import until


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with stack(tmp_path_factory.mktemp("crashes"), None) as started:
        yield started


@pytest.fixture
def world(running):
    """The running service; afterwards everything has to end as if nothing had happened."""
    running.wait_until_healthy()
    take = partial(snapshot.take, running.engine)
    with Watch(take) as watch:
        yield running
        running.expire()
        running.wait_until_healthy()
        running.wait_until_all_ended()
        running.behave()
    assert watch.faults + harness.in_the_end(running, take()) == []


@pytest.fixture
def order(world):
    return lambda lots, languages, **more: world.client().job(world.lots(lots, **more), languages)


TAKEN = "after a receiver's 200, before it is recorded"


@pytest.mark.parametrize("name", [name for name in MOMENTS if name != TAKEN])
def test_a_power_cut_is_survived(world, order, name):
    with MOMENTS[name](world, order):
        for service in world.services:
            service.process.kill()
    world.power_cut()


IN_TALKS = [name for name in MOMENTS if "between English" not in name]


@pytest.mark.parametrize("name", IN_TALKS)
def test_a_kill_of_the_database_is_survived(world, order, name):
    with MOMENTS[name](world, order):
        world.kill_database()


AT_OPENAI = [name for name in MOMENTS if "creation" in name or "upload" in name]


@pytest.mark.parametrize("name", AT_OPENAI)
def test_a_restart_of_openai_is_survived(world, order, name):
    with MOMENTS[name](world, order):
        world.kill_simulator()


@pytest.mark.parametrize("pause", PAUSES.values(), ids=PAUSES)
def test_an_owner_paused_past_its_lease_creates_nothing(world, order, pause):
    pause(world, order)


def test_a_webhook_taken_but_not_recorded_comes_again_under_its_id(world, order):
    received = len(world.receiver.received)
    with MOMENTS[TAKEN](world, order):
        world.service.process.kill()
    world.power_cut()
    until(lambda: len(world.receiver.received) == received + 2, seconds=60, what="it comes again")
    assert accounts.duplicates(world.receiver.received[received:]) == 1


def test_crashes_at_random_moments_lose_nothing_and_pay_nothing_twice(running):
    running.wait_until_healthy()
    seed = random.SystemRandom().randrange(10**6)
    report = harness.run(running, harness.Plan(seed=seed, rounds=4))
    assert not report.faults, f"{report}\nreplay: python -m tests.faults --rounds 4 --seed {seed}"

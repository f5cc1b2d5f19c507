"""Kill -9 of the whole service, at named moments and at random ones: nothing lost or paid twice."""

import random
from functools import partial
from threading import Event

import pytest
from sqlalchemy import text

from tests.faults import harness, snapshot
from tests.faults.stack import HOOK, THANKS, stack
from tests.faults.watch import Watch
from tests.servers import Reply
from tests.waiting import until


@pytest.fixture(scope="module")
def running(tmp_path_factory, database_url):
    with stack(tmp_path_factory.mktemp("crashes"), database_url) as started:
        yield started


@pytest.fixture
def world(running):
    """The running service; afterwards everything has to end as if nothing had happened."""
    running.service.wait_until_healthy()
    take = partial(snapshot.take, running.engine)
    with Watch(take) as watch:
        yield running
        running.service.wait_until_healthy()
        running.wait_until_all_ended()
        running.behave()
    assert watch.faults + harness.in_the_end(running, take()) == []


def killed_at(world, point, do, **more):
    """Order a job, and cut the power when OpenAI has done this at `point`."""
    world.misbehave(point, do, **more)
    before = world.fired(point)
    job = world.client().job(world.lots(3), ["en", "ru"])
    until(lambda: world.fired(point) > before, what=f"the crash at {point}")
    world.power_cut()
    return job


def recorded(world, job):
    (row,) = world.rows(
        "SELECT count(*) AS n FROM descriptions WHERE status = 'completed' AND job_id = :job",
        job=job,
    )
    return row["n"]


def test_a_crash_after_the_upload_before_its_id_is_known_is_survived(world):
    killed_at(world, "upload", "hang_after")


def test_a_crash_between_upload_and_creation_is_survived(world):
    killed_at(world, "create", "hang")


def test_a_batch_created_before_a_crash_is_adopted_after_it(world):
    killed_at(world, "create", "hang_after")


def test_a_crash_between_english_and_translations_is_survived(world):
    job = killed_at(world, "upload", "hang", match={"nth": 2})
    assert recorded(world, job) == 3


def test_an_output_file_half_read_before_a_crash_is_read_to_its_end(world):
    world.misbehave("content", "cut_content", fraction=0.95)
    job = world.client().job(world.lots(600), ["en"])
    until(lambda: recorded(world, job), what="a part of the file is recorded")
    world.power_cut()
    assert 0 < recorded(world, job) < 600


def test_a_webhook_taken_but_not_recorded_comes_again_under_its_id(world):
    answer = Event()
    world.receiver.replies[HOOK] = Reply(held=answer)
    received = len(world.receiver.received)
    job = world.client().job(world.lots(2))
    world.receiver.wait_for_hits(received + 1, seconds=20)
    with world.engine.begin() as connection:  # it holds the record up, until the power is cut
        lock = "SELECT FROM webhook_deliveries WHERE batch_job_id = :job FOR UPDATE"
        connection.execute(text(lock), {"job": job})
        answer.set()
        until(partial(waits_for_lock, world), what="the 200 is about to be recorded")
        world.service.process.kill()
    world.receiver.replies[HOOK] = THANKS
    world.power_cut()
    world.receiver.wait_for_hits(received + 2, seconds=20)
    ids = [request.headers["webhook-id"] for request in world.receiver.received[received:]]
    assert len(ids) == 2
    assert len(set(ids)) == 1


def waits_for_lock(world):
    return world.rows(
        "SELECT pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )


def test_crashes_at_random_moments_lose_nothing_and_pay_nothing_twice(running):
    running.service.wait_until_healthy()
    seed = random.SystemRandom().randrange(10**6)
    report = harness.run(running, harness.Plan(seed=seed, rounds=4))
    assert not report.faults, f"{report}\nreplay: python -m tests.faults --rounds 4 --seed {seed}"

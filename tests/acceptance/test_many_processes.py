"""Several processes on one database: claims divide the work, and the death of one harms nobody."""

import os
import signal
from functools import partial

import pytest
from sqlalchemy import text

from generation_service.db.engine import MIGRATION_LOCK
from generation_service.worker import STAGES
from tests.faults import accounts, harness, snapshot
from tests.faults.processes import workers
from tests.faults.stack import stack
from tests.faults.watch import Watch
from tests.waiting import until


@pytest.fixture(scope="module")
def two(tmp_path_factory, database_url):
    """Two whole services on one database, with two workers each."""
    with stack(tmp_path_factory.mktemp("two"), database_url, services=2) as started:
        yield started


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """One service with a PostgreSQL of its own."""
    with stack(tmp_path_factory.mktemp("own"), None) as started:
        yield started


def order(world, number=6):
    """Jobs posted to all services in turn, without waiting for any."""
    lots = world.lots(4)
    return [
        world.client(turn % len(world.services)).job(lots, ["en", "ru"]) for turn in range(number)
    ]


def assert_all_ends_well(world):
    take = partial(snapshot.take, world.engine)
    with Watch(take) as watch:
        world.wait_until_all_ended()
    assert watch.faults + harness.in_the_end(world, take()) == []


def test_two_services_describe_each_lot_once_and_send_each_webhook_once(two):
    jobs = order(two)
    assert_all_ends_well(two)
    attempts = {row["attempt"] for row in two.rows("SELECT attempt FROM descriptions")}
    assert attempts == {1}
    assert {two.asked("POST /v1/files"), two.asked("POST /v1/batches")} == {two.openai_batches()}
    assert len(two.receiver.received) == len(jobs)
    assert accounts.duplicates(two.receiver.received) == 0


def test_every_process_of_two_services_runs_the_stages(two):
    ticking = "SELECT process FROM worker_heartbeats GROUP BY process HAVING count(*) = :stages"
    until(lambda: len(two.rows(ticking, stages=len(STAGES))) == 4, what="all four tick each stage")


def test_what_a_killed_service_had_begun_is_finished_by_the_other(two):
    hang_in_the_middle_of_jobs(two)
    two.services[0].process.kill()
    two.expire()
    until(lambda: snapshot.take(two.engine).has_ended, what="the other service has finished")
    two.services[0].again()
    two.services[0].wait_until_healthy()
    assert_all_ends_well(two)


def hang_in_the_middle_of_jobs(world):
    """Return when a process waits for OpenAI's answer to a creation, which will not come."""
    before = world.fired("create")
    world.misbehave("create", "hang_after")
    order(world, 2)
    until(lambda: world.fired("create") > before, what="somebody waits for OpenAI")


def test_a_killed_worker_is_replaced_and_its_work_taken_up(own):
    hang_in_the_middle_of_jobs(own)
    before = workers(own.service)
    os.kill(before[0], signal.SIGKILL)
    until(lambda: len({*workers(own.service)} - {before[0]}) == 2, what="there are two again")
    own.expire()
    assert_all_ends_well(own)


def test_a_worker_that_loses_the_database_while_it_starts_is_started_again(own):
    with own.engine.connect() as connection:  # the migrations' lock holds the new worker up
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
        os.kill(workers(own.service)[0], signal.SIGKILL)
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'advisory'"
        (starting,) = until(lambda: own.rows(waiting), what="the new worker starts")
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), starting)
    order(own, 2)
    assert_all_ends_well(own)


def test_a_killed_postgresql_of_our_own_is_started_again_by_the_service(own):
    order(own, 3)
    until(lambda: own.rows("SELECT FROM openai_batches"), what="the jobs are under way")
    own.kill_database()
    assert_all_ends_well(own)

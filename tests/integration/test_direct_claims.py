"""Who makes a direct call, and that no other does: turns, callers that are gone, and stops."""

from collections import Counter
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy.exc import OperationalError

from generation_service.core.status import JobStatus, LotStatus
from generation_service.db import direct as direct_calls
from generation_service.db.engine import make_engine
from generation_service.pipeline import direct, lanes, probe
from generation_service.pipeline.cancel import cancel
from generation_service.pipeline.retry import retry
from generation_service.pipeline.trouble import Outage
from tests.integration.direct_world import (
    assert_unknown,
    billed,
    descriptions,
    english,
    given_up,
    left_behind,
    misbehave,
    once_under_way,
    queued,
    under_way,
)
from tests.integration.stages import CLIENT, go_on, stages


@pytest.fixture
def world(engine):
    with stages(engine, batch_api=False, OPENAI_BATCH_API="auto") as running:
        lanes.tick(running.resources, go_on)
        yield running


def test_a_call_whose_caller_is_gone_is_given_up_and_not_repeated(world):
    job_id = queued(world, world.lots(2), ["en"])
    left_behind(world)
    given_up(world)
    job = world.finish(job_id)
    assert (job.status, job.lots_failed) == (JobStatus.COMPLETED, 1)
    assert_unknown(world, job_id)
    assert billed(world) == 1


def test_a_call_is_not_given_up_before_its_lease_has_run_out(world):
    queued(world, world.lots(2))
    left_behind(world)
    lanes.tick(world.resources, go_on)
    assert Counter(row["status"] for row in english(world)) == {"submitted": 1, "queued": 1}


def test_callers_are_given_time_to_say_that_they_live_after_the_database_was_away(world):
    queued(world, world.lots(2))
    left_behind(world)
    nowhere = make_engine("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(OperationalError):
        lanes.tick(replace(world.resources, engine=nowhere), go_on)
    given_up(world)
    assert Counter(row["status"] for row in english(world)) == {"submitted": 1, "queued": 1}
    a_while_later = replace(world.resources, outage=Outage())
    lanes.tick(a_while_later, go_on)
    assert Counter(row["status"] for row in english(world)) == {"failed": 1, "queued": 1}


def test_a_late_answer_does_not_change_what_was_given_up(world):
    job_id = queued(world, [world.lot("a"), world.lot("b")], ["en"])
    misbehave(world, "slow", seconds=1.0, times=None)
    once_under_way(world, lambda: given_up(world))
    assert billed(world) == 2
    assert {row["error_code"] for row in descriptions(world)} == {"openai_outcome_unknown"}
    assert world.job(job_id).status is JobStatus.FAILED


def test_who_was_given_up_between_two_tries_does_not_try_again(world):
    queued(world, world.lots(2), ["en"])
    misbehave(world, "status", status=429, retry_after=1, times=2)
    once_under_way(world, lambda: given_up(world))
    assert billed(world) == 0


def test_a_call_of_an_earlier_run_is_over_though_its_caller_has_the_request_again(world):
    job_id = queued(world, [world.lot("a"), world.lot("b")], ["en"])
    token = uuid4()
    before, _ = claimed(world, token)
    given_up(world)
    retry(world.resources, CLIENT, job_id)
    queued_again(world)
    now = next(call for call in claimed(world, token) if call.request.id == before.request.id)
    with world.resources.engine.connect() as connection:
        assert not direct_calls.holds(connection, token, before.request)
        assert direct_calls.holds(connection, token, now.request)


def claimed(world, token):
    with world.resources.engine.begin() as connection:
        return direct_calls.claim(connection, token, limit=2, every_lane=True)


def queued_again(world):
    while probe.tick(world.resources, go_on):
        pass


def test_a_job_cancelled_while_calls_run_stays_as_it_was(world):
    job_id = queued(world, world.lots(3), ["en"])
    misbehave(world, "slow", seconds=1.0, times=None)
    once_under_way(world, lambda: cancel(world.resources, CLIENT, job_id))
    assert world.job(job_id).status is JobStatus.CANCELLED
    assert {row["status"] for row in descriptions(world)} == {"cancelled"}
    assert {lot.status for lot in world.results(job_id)} == {LotStatus.CANCELLED}


def test_a_stop_lets_calls_finish_and_begins_no_more(engine):
    with stages(engine, OPENAI_BATCH_API="off", DIRECT_CALLS_PER_PROCESS="2") as world:
        queued(world, world.lots(5), ["en"])
        misbehave(world, "slow", seconds=0.5, times=None)
        beats = iter([True])
        direct.tick(world.resources, lambda: next(beats, False))
        assert Counter(row["status"] for row in english(world)) == {"completed": 2, "queued": 3}


def test_a_stop_ends_a_wait_between_tries_at_no_cost(world):
    queued(world, world.lots(2), ["en"])
    misbehave(world, "status", status=429, retry_after=1, times=None)
    beats = iter([True])
    direct.tick(world.resources, lambda: next(beats, False))
    assert {(row["status"], row["attempt"]) for row in english(world)} == {("queued", 0)}


def test_clients_take_turns_however_much_one_has_ordered(world):
    queued(world, world.lots(9), ["en"])
    small = queued(world, world.lots(2), ["en"])
    world.execute(f"UPDATE batch_jobs SET client = 'other' WHERE id = '{small}'")
    left_behind(world, limit=4)
    assert under_way(world)[small] == 2
    left_behind(world, limit=3)
    assert sum(under_way(world).values()) == 7


def test_jobs_of_a_client_take_turns(world):
    jobs = [queued(world, world.lots(count), ["en"]) for count in (9, 3, 2)]
    left_behind(world, limit=3)
    left_behind(world, limit=3)
    assert under_way(world) == dict.fromkeys(jobs, 2)


def test_no_request_is_claimed_twice(world):
    queued(world, world.lots(3), ["en"])
    left_behind(world, limit=2)
    left_behind(world, limit=2)
    assert [row["attempt"] for row in english(world)] == [1, 1, 1]

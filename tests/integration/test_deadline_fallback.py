"""What the 24 hours run out for goes by direct calls: once, and only then."""

from collections import Counter
from threading import Thread

import pytest

from generation_service.core.status import JobStatus
from generation_service.pipeline import collect, direct, lanes, pack, poll, probe, submit
from tests.integration.stages import go_on, stages
from tests.waiting import until

PHOTOS = ["/1.jpg", "/2.png", "/3.webp", "/4.jpg"]


@pytest.fixture
def world(engine):
    with stages(engine, DEADLINE_FALLBACK="true") as running:
        yield running


def lots(world, count=4):
    """Lots that differ, so that their bodies do."""
    return [world.lot(f"lot-{n}", additional_info=f"The {n}th of them") for n in range(count)]


def packed(world, *stages_after, count=4):
    """The id of a job of which an OpenAI batch has been made, and ticked by these stages."""
    job_id = world.accept(lots(world, count), ["en"])
    for stage in (probe, pack, *stages_after):
        stage.tick(world.resources, go_on)
    return job_id


def near_its_deadline(world, job_id):
    world.execute(
        f"UPDATE batch_jobs SET run_started_at = now() - interval '22 hours' WHERE id = '{job_id}'"
    )


def paid(world):
    """How often each lot was billed, in batches and directly."""
    return Counter(entry["body_hash"] for entry in world.simulator.ledger)


def by_kind(world):
    return Counter(entry["kind"] for entry in world.simulator.ledger)


def rows(world, job_id):
    return world.rows(f"SELECT * FROM descriptions WHERE job_id = '{job_id}' ORDER BY id")


def lanes_of(world, job_id):
    return Counter((row["lane"], row["status"]) for row in rows(world, job_id))


def assert_described_and_paid_once(world, job_id, count=4):
    job = world.finish(job_id)
    assert (job.status, job.lots_failed) == (JobStatus.COMPLETED, 0)
    assert list(paid(world).values()) == [1] * count
    assert {row["attempt"] for row in rows(world, job_id)} <= {1, 2}


def openai_batches(world):
    return world.rows("SELECT * FROM openai_batches ORDER BY created_at")


def test_what_an_expired_batch_left_goes_by_direct_calls(world):
    world.simulator.rules.add({"on": "batch", "do": "expire", "fraction": 0.5, "times": 1})
    job_id = packed(world)
    assert_described_and_paid_once(world, job_id)
    assert by_kind(world) == {"batch": 2, "direct": 2}
    assert lanes_of(world, job_id) == {("batch", "completed"): 2, ("direct", "completed"): 2}
    assert {row["attempt"] for row in rows(world, job_id)} == {1}


def test_translations_go_the_way_their_english_came(world):
    world.simulator.rules.add({"on": "batch", "do": "expire", "fraction": 0.5, "times": 1})
    job_id = world.accept(lots(world), ["en", "ru"])
    assert world.finish(job_id).status is JobStatus.COMPLETED
    assert by_kind(world) == {"batch": 4, "direct": 4}


def test_a_batch_under_way_near_the_deadline_is_cancelled_and_its_rest_asked_directly(world):
    world.simulator.rules.add({"on": "batch", "do": "stall", "fraction": 0.5})
    job_id = packed(world, submit)
    world.run_until(lambda: by_kind(world)["batch"] == 2)
    near_its_deadline(world, job_id)
    assert_described_and_paid_once(world, job_id)
    assert by_kind(world) == {"batch": 2, "direct": 2}
    assert {row["attempt"] for row in rows(world, job_id)} == {1}
    (batch,) = openai_batches(world)
    assert (batch["openai_status"], batch["to_direct"]) == ("cancelled", True)


def test_nothing_in_a_batch_is_asked_directly_before_openai_has_cancelled_it(world):
    world.simulator.rules.add({"on": "batch", "do": "stall", "fraction": 0.5})
    job_id = packed(world, submit)
    world.run_until(lambda: by_kind(world)["batch"] == 2)
    near_its_deadline(world, job_id)
    for stage in (lanes, direct, direct):
        stage.tick(world.resources, go_on)
    assert lanes_of(world, job_id) == {("batch", "submitted"): 4}
    assert by_kind(world) == {"batch": 2}


@pytest.mark.parametrize("fault", ["reset_before", "reset_after"])
def test_a_cancellation_that_gets_lost_is_asked_for_again(world, fault):
    world.simulator.rules.add({"on": "batch", "do": "stall", "fraction": 0.5})
    world.simulator.rules.add({"on": "cancel", "do": fault, "times": 1})
    job_id = packed(world, submit)
    near_its_deadline(world, job_id)
    assert_described_and_paid_once(world, job_id)


def test_a_batch_that_ends_while_it_is_called_back_leaves_its_rest_at_no_cost(world):
    world.simulator.rules.add({"on": "batch", "do": "cancel_batch", "fraction": 0.5, "times": 1})
    world.simulator.rules.add({"on": "retrieve", "do": "slow", "seconds": 1.0, "times": 1})
    job_id = packed(world, submit)
    near_its_deadline(world, job_id)
    world.execute("UPDATE openai_batches SET next_try_at = now()")
    asking = Thread(target=poll.tick, args=(world.resources, go_on))
    asking.start()
    until(lambda: openai_batches(world)[0]["lease_token"], what="the batch is asked about")
    lanes.tick(world.resources, go_on)
    asking.join()
    (batch,) = openai_batches(world)
    assert (batch["status"], batch["to_direct"]) == ("collecting", True)
    assert_described_and_paid_once(world, job_id)
    assert {row["attempt"] for row in rows(world, job_id)} == {1}


def test_lines_that_a_cancelled_batch_forgot_are_asked_directly(world):
    world.simulator.rules.add({"on": "batch", "do": "forget_undone"})
    world.simulator.rules.add({"on": "batch", "do": "stall", "fraction": 0.5})
    job_id = packed(world, submit)
    world.run_until(lambda: by_kind(world)["batch"] == 2)
    near_its_deadline(world, job_id)
    assert_described_and_paid_once(world, job_id)
    assert {row["attempt"] for row in rows(world, job_id)} == {1}


@pytest.mark.parametrize("submits", [(), (submit,)], ids=["building", "uploaded"])
def test_a_batch_that_is_not_created_yet_is_taken_back(world, submits):
    world.simulator.rules.add({"on": "create", "do": "reset_before"})
    job_id = packed(world, *submits)
    near_its_deadline(world, job_id)
    assert_described_and_paid_once(world, job_id)
    assert by_kind(world) == {"direct": 4}
    assert world.submitted_batches() == 0
    assert {row["attempt"] for row in rows(world, job_id)} == {1}


def test_a_batch_whose_creation_went_unheard_is_found_before_anything_is_asked_directly(world):
    world.simulator.rules.add({"on": "create", "do": "reset_after", "times": 1})
    job_id = packed(world, submit)
    near_its_deadline(world, job_id)
    assert_described_and_paid_once(world, job_id)
    assert by_kind(world)["batch"] + by_kind(world)["direct"] == 4
    assert world.submitted_batches() == 1


def test_queued_requests_near_the_deadline_go_into_no_openai_batch(world):
    job_id = world.accept(lots(world), ["en", "ru"])
    probe.tick(world.resources, go_on)
    near_its_deadline(world, job_id)
    assert pack.tick(world.resources, go_on) is False
    assert world.finish(job_id).status is JobStatus.COMPLETED
    assert by_kind(world) == {"direct": 8}
    assert openai_batches(world) == []


def test_a_job_that_shares_the_cancelled_batch_stays_with_batches_at_no_cost(world):
    world.simulator.rules.add({"on": "batch", "do": "stall", "fraction": 0, "times": 1})
    jobs = [world.accept(lots(world, 2), ["en"]), world.accept(world.lots(2), ["en"])]
    for stage in (probe, pack, submit):
        stage.tick(world.resources, go_on)
    near_its_deadline(world, jobs[0])
    for job_id in jobs:
        assert world.finish(job_id).status is JobStatus.COMPLETED
    assert lanes_of(world, jobs[0]) == {("direct", "completed"): 2}
    assert lanes_of(world, jobs[1]) == {("batch", "completed"): 2}
    assert by_kind(world) == {"direct": 2, "batch": 2}
    assert {row["attempt"] for job_id in jobs for row in rows(world, job_id)} == {1}


def test_a_job_with_time_left_is_left_alone(world):
    world.simulator.rules.add({"on": "batch", "do": "stall", "fraction": 0.5})
    job_id = packed(world, submit)
    world.execute("UPDATE batch_jobs SET run_started_at = now() - interval '21 hours 59 minutes'")
    assert not lanes.tick(world.resources, go_on)
    assert lanes_of(world, job_id) == {("batch", "submitted"): 4}
    (batch,) = openai_batches(world)
    assert not batch["cancel_requested"]


def test_without_the_setting_the_deadline_moves_nothing(engine):
    with stages(engine) as world:
        world.simulator.rules.add({"on": "batch", "do": "expire", "fraction": 0.5, "times": 1})
        job_id = packed(world, submit, poll, collect)
        near_its_deadline(world, job_id)
        assert not lanes.tick(world.resources, go_on)
        assert world.finish(job_id).status is JobStatus.COMPLETED
        assert by_kind(world) == {"batch": 4}
        assert {row["lane"] for row in rows(world, job_id)} == {"batch"}

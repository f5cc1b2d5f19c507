"""An OpenAI batch that failed its validation: the line at fault is found, the others go on."""

from functools import partial

import pytest

from generation_service.core.openai_errors import Failure, Retry
from generation_service.core.status import JobStatus, LotStatus, OpenAIBatchStatus
from generation_service.pipeline import pack, poll, probe, submit, tariffs
from generation_service.pipeline.cancel import cancel
from generation_service.pipeline.claims import claimed
from generation_service.pipeline.settle import Answer, record_answers
from tests.integration.stages import CLIENT, go_on, stages
from tests.waiting import until

FAULTY = Failure(code="openai_error", message="Its fault.", retry=Retry.NEVER)
FREE = Failure(code="openai_error", message="Not its fault.", retry=Retry.FREE)


@pytest.fixture
def world(engine):
    with stages(engine) as running:
        yield running


def reject(world, line):
    """The next OpenAI batch fails its validation with this line named."""
    world.simulator.rules.add({"on": "batch", "do": "fail", "times": 1, "line": line})


def packed(world):
    probe.tick(world.resources, go_on)
    pack.tick(world.resources, go_on)


def statuses(world, job):
    return [lot.status for lot in world.results(job)]


def test_the_named_line_fails_and_the_innocent_are_described(world):
    reject(world, 2)
    job = world.accept(world.lots(3), ["en"])
    world.finish(job)
    assert statuses(world, job) == [LotStatus.COMPLETED, LotStatus.FAILED, LotStatus.COMPLETED]
    assert [row["attempt"] for row in world.rows("SELECT attempt FROM descriptions")] == [1] * 3


def test_requests_cancelled_before_the_file_was_written_are_not_counted_as_lines(world):
    cancelled, job = world.accept(world.lots(1), ["en"]), world.accept(world.lots(2), ["en"])
    packed(world)
    cancel(world.resources, CLIENT, cancelled)
    reject(world, 2)
    world.finish(job)
    assert statuses(world, job) == [LotStatus.COMPLETED, LotStatus.FAILED]


def test_a_crash_while_the_innocent_are_queued_again_blames_nobody_else(world):
    job = world.accept(world.lots(3), ["en"])
    packed(world)
    reject(world, 2)
    submit.tick(world.resources, go_on)
    owner = until(partial(collecting, world), what="OpenAI has rejected the batch")
    first, second, _ = (row["id"] for row in world.rows("SELECT id FROM descriptions ORDER BY id"))
    with world.resources.engine.begin() as connection:
        answers = [Answer(second, 1, FAULTY), Answer(first, 1, FREE)]
        tariff = tariffs.of_batch(world.resources.settings, owner)
        record_answers(connection, owner, answers, tariff)
    world.execute("UPDATE openai_batches SET lease_expires_at = now() - interval '1 s'")
    world.finish(job)
    assert statuses(world, job) == [LotStatus.COMPLETED, LotStatus.FAILED, LotStatus.COMPLETED]


def collecting(world):
    poll.tick(world.resources, go_on)
    return claimed(world.resources, [OpenAIBatchStatus.COLLECTING])


@pytest.mark.parametrize("line", [0, 99])
def test_a_line_that_the_file_does_not_have_costs_everyone_an_attempt(world, line):
    world.simulator.rules.add({"on": "batch", "do": "fail", "line": line, "message": "Bad line."})
    job = world.finish(world.accept(world.lots(2), ["en"]))
    assert job.status is JobStatus.FAILED
    assert "Bad line." in (job.error_message or "")


def test_an_input_file_that_is_gone_costs_everyone_an_attempt(world):
    reject(world, 2)
    world.simulator.rules.add({"on": "content", "do": "status", "status": 404, "times": 3})
    job = world.accept(world.lots(2), ["en"])
    world.finish(job)
    assert statuses(world, job) == [LotStatus.COMPLETED] * 2
    assert [row["attempt"] for row in world.rows("SELECT attempt FROM descriptions")] == [2, 2]

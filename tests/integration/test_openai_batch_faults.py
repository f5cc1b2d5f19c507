"""What goes wrong with an OpenAI batch as a whole, where more comes of it than
test_every_openai_fault.py can tell in a row of its table."""

import pytest

from generation_service.core.status import JobStatus
from tests.integration.stages import STAGES, go_on, stages
from tests.waiting import until


@pytest.fixture
def world(engine):
    with stages(engine) as running:
        yield running


def misbehave(world, on, do, *, times=1, **more):
    """The simulator misbehaves once, or so many times, or (None) for ever."""
    world.simulator.rules.add({"on": on, "do": do, "times": times, **more})


def attempts(world):
    """The number of attempts at each lot's English."""
    found = world.rows("SELECT attempt FROM descriptions WHERE kind = 'vision' ORDER BY lot")
    return [row["attempt"] for row in found]


def assert_billed_once(world):
    assert len(world.billed()) == len(set(world.billed()))


@pytest.mark.parametrize("code", ["invalid_request", "model_not_found", "invalid_url"])
def test_a_batch_that_always_fails_its_validation_fails_the_job_with_openai_s_words(world, code):
    misbehave(world, "batch", "fail", times=None, code=code, message="These words.")
    job = world.finish(world.accept(world.lots(3)))
    assert job.status is JobStatus.FAILED
    assert f"These words. ({code})" in (job.error_message or "")
    assert world.billed() == []


def test_of_a_batch_that_failed_for_one_line_only_that_line_fails(world):
    misbehave(world, "batch", "fail", code="invalid_request", line=2)
    job = world.finish(world.accept(world.lots(3)))
    assert [lot.status.value for lot in world.results(job.id)] == [
        "completed",
        "failed",
        "completed",
    ]
    assert attempts(world) == [1, 1, 1]
    assert_billed_once(world)


def test_a_line_that_is_not_in_the_file_is_nobody_s_and_the_job_ends(world):
    misbehave(world, "batch", "fail", times=None, code="invalid_request", line=99)
    job = world.finish(world.accept(world.lots(3)))
    assert (job.status, attempts(world)) == (JobStatus.FAILED, [3, 3, 3])


FULL = "Enqueued token limit reached for m. Limit: 900,000 enqueued tokens."


def hurry(world, job_id):
    """Whether the job has ended; pauses of the model are cut short."""
    world.execute("UPDATE model_limits SET paused_until = now()")
    return world.job(job_id).completed_at is not None


def test_a_full_queue_is_waited_for_and_its_limit_learned(world):
    misbehave(world, "batch", "fail", code="token_limit_exceeded", message=FULL)
    job_id = world.accept(world.lots(3))
    world.run_until(
        lambda: bool(world.rows("SELECT 1 FROM model_limits WHERE paused_until > now()"))
    )
    world.run_until(lambda: hurry(world, job_id))
    assert world.job(job_id).status is JobStatus.COMPLETED
    assert attempts(world) == [1, 1, 1]
    (limit,) = world.rows("SELECT enqueued_tokens FROM model_limits")
    assert limit["enqueued_tokens"] == 900_000


LOST = ["no_output", "lost_output", "vanish"]


@pytest.mark.parametrize("do", LOST)
def test_a_server_that_never_gives_answers_fails_the_job(world, do):
    misbehave(world, "batch", do, times=None)
    job = world.finish(world.accept(world.lots(3)))
    assert (job.status, attempts(world)) == (JobStatus.FAILED, [3, 3, 3])
    assert "without an answer" in (job.error_message or "")


def test_a_file_that_breaks_off_is_read_again(world):
    misbehave(world, "content", "cut_content")
    job = world.finish(world.accept(world.lots(3)))
    assert (job.status, attempts(world)) == (JobStatus.COMPLETED, [1, 1, 1])


HITCHES = {
    "a batch unknown for a while": ("retrieve", 404, 5),
    "files denied for a while": ("content", 401, 5),
    "files out of reach for a while": ("content", 503, 5),
}


@pytest.mark.parametrize(("on", "status", "times"), HITCHES.values(), ids=HITCHES)
def test_trouble_that_passes_costs_no_answer(world, on, status, times):
    misbehave(world, on, "status", status=status, times=times)
    job = world.finish(world.accept(world.lots(3), ["en"]))
    assert (job.status, attempts(world)) == (JobStatus.COMPLETED, [1, 1, 1])
    assert_billed_once(world)


def test_a_hitch_late_in_the_life_of_a_batch_costs_no_answer(world):
    job_id = world.accept(world.lots(3), ["en"])
    world.run_until(lambda: world.submitted_batches() == 1)
    world.execute("UPDATE openai_batches SET submitted_at = now() - interval '25 hours'")
    misbehave(world, "content", "status", status=500)
    assert world.finish(job_id).status is JobStatus.COMPLETED
    assert attempts(world) == [1, 1, 1]


def test_trouble_that_does_not_pass_fails_the_job_with_its_reason_after_a_day(world):
    misbehave(world, "retrieve", "status", status=500, message="Out of order.", times=None)
    job_id = world.accept(world.lots(3), ["en"])
    world.run_until(lambda: world.submitted_batches() == 1)
    world.execute("UPDATE openai_batches SET submitted_at = now() - interval '25 hours'")
    job = world.finish(job_id)
    assert job.status is JobStatus.FAILED
    assert "HTTP 500: Out of order." in (job.error_message or "")


def test_a_service_that_was_away_for_days_gives_no_batch_up_at_its_first_look(world):
    """Such a batch may only have waited to be asked to end; given up, it would be paid twice."""
    misbehave(world, "batch", "stall", fraction=0.4)
    job_id = world.accept(world.lots(3), ["en"])
    world.run_until(lambda: len(world.billed()) == 2)
    world.execute("UPDATE openai_batches SET submitted_at = now() - interval '3 days'")
    assert world.finish(job_id).status is JobStatus.COMPLETED
    assert (len(world.billed()), sorted(attempts(world))) == (3, [1, 1, 2])


def test_a_batch_that_never_ends_is_cancelled_after_a_day_and_its_answers_kept(world):
    misbehave(world, "batch", "stall", fraction=0.4)
    misbehave(world, "cancel", "status", status=500)
    job_id = world.accept(world.lots(3), ["en"])
    world.run_until(lambda: len(world.billed()) == 2)
    world.execute("UPDATE openai_batches SET submitted_at = now() - interval '25.5 hours'")
    assert world.finish(job_id).status is JobStatus.COMPLETED
    assert sorted(attempts(world)) == [1, 1, 2]


def test_a_queue_that_is_full_for_ever_fails_the_job_after_a_day(world):
    misbehave(world, "batch", "fail", code="token_limit_exceeded", message=FULL, times=None)
    job_id = world.accept(world.lots(3), ["en"])
    world.run_until(lambda: bool(world.rows("SELECT 1 FROM model_limits")))
    world.execute("UPDATE batch_jobs SET updated_at = now() - interval '25 hours'")
    world.run_until(lambda: hurry(world, job_id))
    assert (world.job(job_id).status, attempts(world)) == (JobStatus.FAILED, [3, 3, 3])


def test_openai_may_ask_for_an_hour_s_pause_but_not_for_years(world):
    words = "Please try again in 999h."
    misbehave(world, "line", "status", status=429, message=words)
    world.accept(world.lots(1), ["en"])

    def delays():
        for stage in STAGES:
            stage(world.resources, go_on)
        return world.rows(
            "SELECT extract(epoch FROM available_at - now()) AS seconds FROM descriptions"
            " WHERE status = 'queued' AND error_code = 'openai_rate_limited'"
        )

    (delay,) = until(delays, what="the line waits for its next attempt")
    assert 3_500 < delay["seconds"] <= 3_600

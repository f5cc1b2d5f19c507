"""An explicit retry begins a new run with what failed, and with nothing else."""

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest

from generation_service.core.errors import ServiceError
from generation_service.core.requests import read_custom_id
from generation_service.core.status import JobStatus, LotStatus
from generation_service.pipeline import pack, probe
from generation_service.pipeline.cancel import cancel
from generation_service.pipeline.retry import retry
from tests.faults import invariants
from tests.faults.snapshot import take
from tests.integration.stages import CLIENT, go_on, stages
from tests.photos import photo_replies


@pytest.fixture
def world(engine):
    with stages(engine) as running:
        yield running


VISION, TRANSLATION = "gpt-6.1-terra", "gpt-6-luna"


def misbehave(world, do, times=1, model=VISION, **more):
    rule = {"on": "line", "do": do, "times": times, "match": {"model": model}, **more}
    world.simulator.rules.add(rule)


def again(world, job_id):
    """Retry the job; whatever has been put back, the books must balance."""
    job = retry(world.resources, CLIENT, job_id)
    sound(world)
    return job


def sound(world):
    assert invariants.at_each_look(take(world.resources.engine)) == []


def texts(world, job_id):
    """The texts there are, by lot and language."""
    return {
        (lot.lot_id, entry.language): entry.damages
        for lot in world.results(job_id)
        for entry in lot.languages
        if entry.damages
    }


def attempts(world):
    """Which attempts were billed, of the descriptions that were billed more than once."""
    billed = defaultdict(list)
    for custom_id in world.billed():
        request = read_custom_id(custom_id)
        assert request is not None
        billed[request[0]].append(request[1])
    return [sorted(numbers) for numbers in billed.values() if len(numbers) > 1]


def test_a_lot_that_was_refused_is_described_in_the_next_run(world):
    misbehave(world, "refuse")
    job = world.finish(world.accept(world.lots(3)))
    assert (job.status, job.lots_failed) == (JobStatus.COMPLETED, 1)
    before = texts(world, job.id)
    rerun = again(world, job.id)
    assert (rerun.status, rerun.run, rerun.completed_at) == (JobStatus.PROCESSING, 2, None)
    assert (rerun.lots_settled, rerun.lots_failed, rerun.images.completed) == (2, 0, 2)
    ended = world.finish(job.id)
    assert (ended.status, ended.run, ended.lots_failed) == (JobStatus.COMPLETED, 2, 0)
    after = texts(world, job.id)
    assert (len(before), len(after)) == (4, 6)
    assert before.items() <= after.items()
    assert attempts(world) == [[1, 11]]


def test_only_the_languages_that_failed_are_asked_for_again(world):
    misbehave(world, "refuse", model=TRANSLATION)
    job = world.finish(world.accept(world.lots(2), ["en", "ru", "de"]))
    assert (job.lots_failed, job.translation.failed) == (1, 1)
    hits = world.photos.hits("/1.jpg")
    rerun = again(world, job.id)
    assert (rerun.status, rerun.lots_settled) == (JobStatus.TRANSLATING, 1)
    assert (rerun.vision.completed, rerun.translation.failed) == (2, 0)
    ended = world.finish(job.id)
    assert (ended.translation.completed, ended.lots_failed) == (4, 0)
    assert attempts(world) == [[1, 11]]
    assert world.photos.hits("/1.jpg") == hits


def test_photos_are_looked_at_again(world):
    job = world.finish(world.accept([world.lot("late", "/late.jpg"), world.lot("a")]))
    assert (job.images.failed, job.lots_failed) == (1, 1)
    world.photos.replies["/late.jpg"] = photo_replies()["/1.jpg"]
    rerun = again(world, job.id)
    assert (rerun.images.completed, rerun.images.failed) == (1, 0)
    assert world.finish(job.id).images.completed == 2
    assert len(texts(world, job.id)) == 4
    assert attempts(world) == []


def test_nothing_is_asked_for_before_the_photos_were_looked_at(world):
    misbehave(world, "refuse")
    job = world.finish(world.accept(world.lots(2), ["en"]))
    again(world, job.id)
    assert pack.tick(world.resources, go_on) is False
    probe.tick(world.resources, go_on)
    assert pack.tick(world.resources, go_on) is True


def test_photos_that_openai_could_not_download_get_another_chance(world):
    misbehave(world, "image_error", times=2)
    job = world.finish(world.accept([world.lot("a", "/1.jpg"), world.lot("b", "/2.png")]))
    assert job.lots_failed == 2
    again(world, job.id)
    assert world.finish(job.id).lots_failed == 0


@pytest.mark.parametrize("fault", [{"do": "image_error", "words": "unnamed"}, {"do": "length"}])
def test_what_helps_but_once_helps_once_in_each_run(world, fault):
    misbehave(world, times=3, **fault)
    job = world.finish(world.accept([world.lot("a"), world.lot("gone", "/gone.jpg")], ["en"]))
    assert job.lots_failed == 2
    again(world, job.id)
    assert world.finish(job.id).lots_failed == 1


def test_a_job_of_which_nothing_came_begins_from_the_start(world):
    job = world.finish(world.accept([world.lot("a", "/gone.jpg"), world.lot("b", "/gone.jpg")]))
    assert (job.status, bool(job.error_message)) == (JobStatus.FAILED, True)
    rerun = again(world, job.id)
    assert (rerun.status, rerun.error_message) == (JobStatus.PENDING, None)
    assert world.finish(job.id).status is JobStatus.FAILED
    assert world.photos.hits("/gone.jpg") == 2


def test_a_lot_that_was_refused_can_fail_by_its_photos_in_the_next_run(world):
    misbehave(world, "refuse", times=2)
    world.photos.replies["/once.jpg"] = photo_replies()["/1.jpg"]
    job = world.finish(world.accept([world.lot("once", "/once.jpg"), world.lot("twice")]))
    assert job.lots_failed == 2
    del world.photos.replies["/once.jpg"]
    again(world, job.id)
    assert world.finish(job.id).lots_failed == 1
    sound(world)
    error = world.results(job.id)[0].error
    assert error.code == "too_many_unreachable_images"


def test_a_request_has_three_attempts_in_each_run(world):
    misbehave(world, "error", times=2 * (3 + 2))
    job = world.finish(world.accept(world.lots(2), ["en"]))
    assert job.lots_failed == 2
    again(world, job.id)
    assert world.finish(job.id).lots_failed == 0
    assert [row["attempt"] for row in world.rows("SELECT attempt FROM descriptions")] == [13, 13]


def test_what_may_have_been_paid_for_is_asked_for_again(world):
    misbehave(world, "refuse")
    job = world.finish(world.accept(world.lots(2), ["en"]))
    world.execute(
        "UPDATE descriptions SET error_code = 'openai_outcome_unknown', lane = 'direct',"
        " openai_batch = NULL WHERE status = 'failed'"
    )
    again(world, job.id)
    assert world.finish(job.id).lots_failed == 0


def refusal(world, job_id):
    with pytest.raises(ServiceError) as refused:
        retry(world.resources, CLIENT, job_id)
    return refused.value.code, refused.value.extra


def test_there_must_be_something_that_failed(world):
    job_id = world.accept(world.lots(2), ["en"])
    assert refusal(world, job_id) == ("job_not_retryable", {"status": "pending"})
    world.finish(job_id)
    assert refusal(world, job_id) == ("job_not_retryable", {"status": "completed"})
    assert world.job(job_id).run == 1


def test_a_cancelled_job_is_not_retried(world):
    job_id = world.accept([world.lot("bad", "/gone.jpg"), *world.lots(2)])
    world.run_until(lambda: world.job(job_id).lots_failed == 1)
    cancel(world.resources, CLIENT, job_id)
    assert refusal(world, job_id) == ("job_not_retryable", {"status": "cancelled"})


def test_a_job_of_somebody_else_is_not_found_and_an_operator_finds_every_job(world):
    misbehave(world, "refuse")
    job = world.finish(world.accept(world.lots(2), ["en"]))
    with pytest.raises(ServiceError) as refused:
        retry(world.resources, "acme", job.id)
    assert refused.value.code == "not_found"
    assert retry(world.resources, None, job.id).run == 2


def test_of_two_retries_at_once_one_begins_a_run(world):
    misbehave(world, "refuse")
    job = world.finish(world.accept(world.lots(2), ["en"]))

    def attempt(_number):
        try:
            return retry(world.resources, CLIENT, job.id).run
        except ServiceError as error:
            return error.code

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(attempt, range(4)))
    assert sorted(map(str, outcomes)) == ["2", *["job_not_retryable"] * 3]
    sound(world)


def test_a_run_that_was_asked_for_can_be_cancelled(world):
    misbehave(world, "refuse", model=TRANSLATION)
    misbehave(world, "refuse")
    job = world.finish(world.accept(world.lots(3)))
    assert job.lots_failed == 2
    again(world, job.id)
    cancelled = cancel(world.resources, CLIENT, job.id)
    sound(world)
    assert (cancelled.status, cancelled.run) == (JobStatus.CANCELLED, 2)
    assert sorted(lot.status for lot in world.results(job.id)) == [
        LotStatus.CANCELLED,
        LotStatus.CANCELLED,
        LotStatus.COMPLETED,
    ]


def test_a_job_can_be_retried_again_and_again(world):
    misbehave(world, "refuse", times=3)
    job = world.finish(world.accept([world.lot("bad", "/gone.jpg"), world.lot("a")], ["en"]))
    for run in (2, 3):
        assert again(world, job.id).run == run
        world.finish(job.id)
    assert world.job(job.id).status is JobStatus.FAILED
    world.photos.replies["/gone.jpg"] = photo_replies()["/1.jpg"]
    again(world, job.id)
    assert world.finish(job.id).lots_failed == 0
    assert attempts(world) == [[1, 11, 21, 31]]

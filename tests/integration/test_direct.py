"""Jobs worked by direct calls, where the server has no Batch API."""

import time

import pytest

from generation_service.core.status import JobStatus, LotStatus
from generation_service.pipeline import direct, lanes
from tests.integration.direct_world import (
    assert_unknown,
    billed,
    bodies_billed,
    descriptions,
    english,
    misbehave,
    queued,
    under_way,
)
from tests.integration.stages import go_on, stages


@pytest.fixture
def world(engine):
    with stages(engine, batch_api=False, OPENAI_BATCH_API="auto") as running:
        lanes.tick(running.resources, go_on)
        yield running


def test_a_job_is_described_in_every_language_without_any_openai_batch(world):
    lots = [world.lot("a"), world.lot("b", "/2.png"), world.lot("c", "/1.jpg", "/gone.jpg")]
    job = world.finish(world.accept(lots, ["ru", "en", "pt-BR"]))
    a, b, c = world.results(job.id)
    assert (job.status, c.status) == (JobStatus.COMPLETED, LotStatus.FAILED)
    for lot in (a, b):
        assert [entry.language for entry in lot.languages] == ["ru", "en", "pt-BR"]
        assert all(entry.damages for entry in lot.languages)
    assert bodies_billed(world).total() == 6
    assert world.rows("SELECT 1 FROM openai_batches") == []


def test_rows_tell_that_they_were_asked_directly(world):
    world.finish(world.accept(world.lots(2)))
    told = {
        (row["lane"], row["openai_batch"], row["lease_token"], row["attempt"])
        for row in descriptions(world)
    }
    assert told == {("direct", None, None, 1)}
    assert all(row["prompt_tokens"] and row["completion_tokens"] for row in descriptions(world))


def test_never_more_calls_than_slots_are_under_way(engine):
    with stages(engine, OPENAI_BATCH_API="off", DIRECT_CALLS_PER_PROCESS="3") as world:
        job_id = queued(world, world.lots(7), ["en"])
        misbehave(world, "slow", seconds=0.3, times=None)
        seen = []

        def watched():  # between a call that has ended and the next one
            seen.append(sum(under_way(world).values()))
            return True

        direct.tick(world.resources, watched)
        assert 0 < max(seen) < 3
        assert world.job(job_id).vision.completed == 7


def test_a_429_and_a_500_are_repeated_within_the_call(world):
    misbehave(world, "status", status=429)
    misbehave(world, "status", status=500)
    job = world.finish(world.accept(world.lots(2), ["en"]))
    assert job.status is JobStatus.COMPLETED
    assert [row["attempt"] for row in english(world)] == [1, 1]
    assert billed(world) == 2


def test_an_answer_that_was_cut_off_is_asked_for_with_more_room(world):
    misbehave(world, "length", times=None, match={"body": '"max_completion_tokens":6000'})
    job = world.finish(world.accept(world.lots(2), ["en"]))
    assert job.status is JobStatus.COMPLETED
    assert [(row["attempt"], row["larger"]) for row in english(world)] == [(2, True)] * 2


def test_a_refusal_fails_its_request_alone(world):
    misbehave(world, "refuse")
    job = world.finish(world.accept(world.lots(3), ["en"]))
    assert (job.status, job.lots_failed) == (JobStatus.COMPLETED, 1)
    (failed,) = [lot.error for lot in world.results(job.id) if lot.error]
    assert failed.code == "openai_refused"


def test_a_photo_that_openai_cannot_fetch_is_left_out_of_the_next_call(world):
    gone = world.photos.url("/4.jpg")
    photos = ["/1.jpg", "/2.png", "/3.webp", "/4.jpg"]
    misbehave(world, "image_error", match={"image_url": gone}, times=None, url=gone)
    job = world.finish(world.accept([world.lot("a", *photos), world.lot("b")], ["en"]))
    lot = world.results(job.id)[0]
    assert (lot.status, list(lot.missing_images)) == (LotStatus.COMPLETED, [gone])
    assert english(world)[0]["lane"] == "direct"


@pytest.mark.parametrize("fault", ["reset_after", "reset_before"])
def test_a_call_without_an_answer_is_not_repeated_and_its_request_fails(world, fault):
    misbehave(world, fault, match={"image_url": "/2.png"}, times=None)
    job = world.finish(world.accept([world.lot("a"), world.lot("b", "/2.png")]))
    assert (job.status, job.lots_failed) == (JobStatus.COMPLETED, 1)
    assert_unknown(world, job.id)
    assert max(bodies_billed(world).values()) == 1


def test_a_call_that_outlasts_its_deadline_is_as_unknown(engine):
    with stages(engine, OPENAI_BATCH_API="off", SYNC_DEADLINE_SECONDS="1") as world:
        misbehave(world, "hang_after", match={"image_url": "/2.png"}, times=None)
        job = world.finish(world.accept([world.lot("a"), world.lot("b", "/2.png")]))
        assert_unknown(world, job.id)


def test_trouble_of_the_whole_server_costs_no_attempt(world):
    job_id = queued(world, world.lots(2), ["en"])
    misbehave(world, "status", status=401, times=2)
    direct.tick(world.resources, go_on)
    assert {(row["status"], row["attempt"]) for row in english(world)} == {("queued", 0)}
    assert "API key" in english(world)[0]["error_message"]
    assert world.finish(job_id).status is JobStatus.COMPLETED


def test_a_key_that_nobody_mends_fails_the_requests_in_the_end(world):
    job_id = queued(world, world.lots(2), ["en"])
    misbehave(world, "status", status=401, times=None)
    world.resources.trouble.note(time.monotonic() - 1_000, met=True)
    job = world.finish(job_id)
    assert (job.status, billed(world)) == (JobStatus.FAILED, 0)
    assert "API key" in (job.error_message or "")

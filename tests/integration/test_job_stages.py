"""A job's way from photos to descriptions in many languages."""

from collections import Counter

import pytest

from generation_service.core.status import JobStatus, LotStatus
from generation_service.pipeline import pack, poll, probe, submit
from generation_service.pipeline.cancel import cancel
from tests.integration.stages import CLIENT, go_on, stages


@pytest.fixture
def world(engine):
    with stages(engine) as running:
        yield running


def test_every_lot_gets_every_language_in_the_client_s_order(world):
    job = world.finish(world.accept(world.lots(3), ["ru", "en", "pt-BR"]))
    assert job.status is JobStatus.COMPLETED
    for lot in world.results(job.id):
        assert [entry.language for entry in lot.languages] == ["ru", "en", "pt-BR"]
        assert all(entry.damages for entry in lot.languages)


def test_photos_reach_the_model_as_images(world):
    world.finish(world.accept([world.lot("a", "/1.jpg", "/2.png"), world.lot("b", "/3.webp")]))
    seen = {tuple(entry["image_urls"]) for entry in world.simulator.ledger if entry["image_urls"]}
    assert seen == {
        (world.photos.url("/1.jpg"), world.photos.url("/2.png")),
        (world.photos.url("/3.webp"),),
    }


def test_english_alone_needs_no_translation(world):
    job = world.finish(world.accept(world.lots(2), ["en"]))
    assert (job.vision.completed, job.translation.total) == (2, 0)
    assert len(world.billed()) == 2


def test_russian_alone_is_translated_from_an_english_that_is_not_returned(world):
    job = world.finish(world.accept(world.lots(2), ["ru"]))
    languages = [[entry.language for entry in lot.languages] for lot in world.results(job.id)]
    assert languages == [["ru"], ["ru"]]
    assert len(world.billed()) == 4


def test_a_hundred_languages_for_two_lots(world):
    tags = ["en", *(f"es-{code:03}" for code in (13, 29, 419)), "zh-Hant", "sr-Latn"]
    job = world.finish(world.accept(world.lots(2), tags))
    assert job.translation.completed == 2 * (len(tags) - 1)


def test_a_missing_photo_is_named_and_the_rest_is_described(world):
    lots = [world.lot("a", "/1.jpg", "/2.png", "/3.webp", "/gone.jpg"), *world.lots(1)]
    job = world.finish(world.accept(lots))
    found = world.results(job.id)[0]
    assert (found.status, list(found.missing_images)) == (
        LotStatus.COMPLETED,
        [world.photos.url("/gone.jpg")],
    )


def test_a_lot_with_too_few_photos_fails_alone(world):
    job = world.finish(world.accept([world.lot("bad", "/1.jpg", "/gone.jpg"), *world.lots(2)]))
    bad, *good = world.results(job.id)
    assert job.status is JobStatus.COMPLETED
    assert (job.lots_settled, job.lots_failed) == (3, 1)
    assert bad.error is not None
    assert bad.error.code == "too_many_unreachable_images"
    assert {lot.status for lot in good} == {LotStatus.COMPLETED}


def test_a_job_without_a_single_described_lot_fails_with_the_reason(world):
    job = world.finish(world.accept([world.lot("a", "/gone.jpg"), world.lot("b", "/gone.png")]))
    assert job.status is JobStatus.FAILED
    assert "Only 0 of 1 images" in (job.error_message or "")
    assert world.billed() == []


def test_each_distinct_photo_is_fetched_once_a_job_before_it_is_paid_for(world):
    job_id = world.accept(world.lots(4))
    probe.tick(world.resources, go_on)
    assert world.photos.hits("/1.jpg") == 1
    assert world.job(job_id).images.completed == 4


def test_counters_are_true_at_every_step(world):
    job_id = world.accept([world.lot("bad", "/gone.jpg"), *world.lots(3)], ["en", "ru", "de"])

    def consistent():
        counted = Counter(
            (row["kind"], row["status"])
            for row in world.rows("SELECT kind, status FROM descriptions")
        )
        job = world.job(job_id)
        assert job.vision.completed == counted["vision", "completed"]
        assert job.translation.completed == counted["translation", "completed"]
        assert job.vision.completed + job.vision.failed <= job.vision.total == 4
        return job.completed_at is not None

    world.run_until(consistent)
    job = world.job(job_id)
    assert (job.translation.completed, job.translation.failed, job.translation.total) == (6, 2, 8)


def test_a_lot_s_translations_are_queued_as_soon_as_its_english_is_there(world):
    world.simulator.rules.add({"on": "line", "do": "missing", "match": {"nth": 1}, "times": 1})
    job_id = world.accept(world.lots(2), ["en", "ru"])
    world.run_until(lambda: world.job(job_id).vision.completed > 0)
    assert world.job(job_id).vision.completed == 1
    queued = world.rows("SELECT 1 FROM descriptions WHERE kind = 'translation'")
    assert len(queued) == 1
    assert world.finish(job_id).status is JobStatus.COMPLETED


def test_small_jobs_share_an_openai_batch(world):
    for _ in range(3):
        world.accept(world.lots(2))
    probe.tick(world.resources, go_on)
    pack.tick(world.resources, go_on)
    (batch,) = world.rows("SELECT requests FROM openai_batches")
    assert batch["requests"] == 6


def test_a_cancelled_job_keeps_what_is_finished_and_sends_nothing_more(world):
    job_id = world.accept([world.lot("bad", "/gone.jpg"), *world.lots(3)])
    probe.tick(world.resources, go_on)
    pack.tick(world.resources, go_on)
    cancel(world.resources, CLIENT, job_id)
    submit.tick(world.resources, go_on)
    assert world.submitted_batches() == 0
    statuses = [lot.status for lot in world.results(job_id)]
    assert statuses == [LotStatus.FAILED, *[LotStatus.CANCELLED] * 3]


def test_late_results_of_a_cancelled_job_change_nothing(world):
    job_id = world.accept(world.lots(2))
    probe.tick(world.resources, go_on)
    pack.tick(world.resources, go_on)
    submit.tick(world.resources, go_on)
    cancel(world.resources, CLIENT, job_id)
    before = world.results(job_id)
    world.run_until(
        lambda: not world.rows("SELECT 1 FROM openai_batches WHERE status <> 'settled'")
    )
    assert world.results(job_id) == before
    assert world.job(job_id).status is JobStatus.CANCELLED
    assert poll.tick(world.resources, go_on) is False


def test_what_only_cancelled_jobs_wait_for_is_cancelled_at_openai_too(world):
    world.simulator.rules.add({"on": "batch", "do": "stall", "fraction": 0})
    jobs = [world.accept(world.lots(2)) for _ in range(2)]
    for stage in (probe, pack, submit):
        stage.tick(world.resources, go_on)
    asked = []
    for job_id in jobs:
        cancel(world.resources, CLIENT, job_id)
        asked += [row["cancel_requested"] for row in world.rows("SELECT * FROM openai_batches")]
    assert asked == [False, True]

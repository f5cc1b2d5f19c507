"""What goes wrong with one line at OpenAI, where more comes of it than test_every_openai_fault.py
can tell in a row of its table."""

import re

import pytest

from generation_service.core.status import JobStatus, LotStatus
from generation_service.pipeline import probe
from tests.integration.stages import go_on, stages
from tests.servers import Reply

TAGS = {"p", "br", "ul", "ol", "li", "strong", "em"}


@pytest.fixture
def world(engine):
    with stages(engine) as running:
        yield running


def misbehave(world, on, do, *, ever=False, match=None, **more):
    """The simulator misbehaves once, or for ever."""
    times = {} if ever else {"times": 1}
    world.simulator.rules.add({"on": on, "do": do, "match": match or {}, **times, **more})


def started(world, languages=("en", "ru")):
    return world.accept(world.lots(3), languages)


def attempts(world):
    """The number of attempts at each lot's English."""
    found = world.rows("SELECT attempt FROM descriptions WHERE kind = 'vision' ORDER BY lot")
    return [row["attempt"] for row in found]


def assert_billed_once(world):
    assert len(world.billed()) == len(set(world.billed()))


def test_a_translation_that_fails_leaves_the_lot_its_other_languages(world):
    misbehave(world, "line", "refuse", match={"model": "gpt-6-luna", "nth": 1})
    job = world.finish(started(world, ["en", "ru", "de"]))
    (failed,) = [lot for lot in world.results(job.id) if lot.status is LotStatus.FAILED]
    texts = [entry for entry in failed.languages if entry.damages]
    (gone,) = [entry for entry in failed.languages if entry.error]
    assert (job.status, len(texts), gone.error.code) == (JobStatus.COMPLETED, 2, "openai_refused")


def test_a_translation_that_speaks_of_downloads_fails_and_waits_for_no_probe(world):
    fault = {"status": 400, "message": "Error while downloading file. Upstream status code: 400."}
    misbehave(world, "line", "status", match={"model": "gpt-6-luna"}, ever=True, **fault)
    job = world.finish(started(world))
    assert (job.status, job.translation.failed) == (JobStatus.COMPLETED, 3)


def test_an_answer_that_was_cut_off_is_asked_for_with_more_room(world):
    small = '"max_completion_tokens":6000'
    misbehave(world, "line", "length", match={"body": small}, ever=True)
    job = world.finish(started(world))
    assert (job.status, job.lots_failed, attempts(world)) == (JobStatus.COMPLETED, 0, [2, 2, 2])


def test_of_a_text_with_script_in_it_only_allowed_tags_are_kept(world):
    misbehave(world, "line", "script_html", ever=True)
    job = world.finish(started(world))
    texts = [entry.damages for lot in world.results(job.id) for entry in lot.languages]
    assert len(texts) == 6
    for text in texts:
        assert set(re.findall(r"</?(\w+)", text)) <= TAGS
        assert not re.search(r"alert|onclick|onerror|<\w+ ", text)


def test_shuffled_lines_find_their_lots(world):
    misbehave(world, "batch", "shuffle", ever=True)
    lots = [world.lot(f"{n}", additional_info=f"mark {n};") for n in range(8)]
    for n in range(8):
        text = f"<p>Lot {n}</p>"
        misbehave(world, "line", "text", match={"body": f"mark {n};"}, text=text)
    job = world.finish(world.accept(lots, ["en"]))
    texts = [lot.languages[0].damages for lot in world.results(job.id)]
    assert texts == [f"<p>Lot {n}</p>" for n in range(8)]


PHOTOS = ("/1.jpg", "/2.png", "/3.webp", "/4.jpg")


def described(world, job):
    (lot,) = [lot for lot in world.results(job.id) if lot.lot_id == "four photos"]
    images = [entry["image_urls"] for entry in world.simulator.ledger if entry["image_urls"]]
    return lot, images


def with_photos(world, count=4):
    lots = [world.lot("four photos", *PHOTOS[:count]), world.lot("b")]
    return world.accept(lots, ["en"])


def test_a_photo_that_openai_names_is_left_out(world):
    gone = world.photos.url("/4.jpg")
    misbehave(world, "line", "image_error", match={"image_url": gone}, ever=True, url=gone)
    job = world.finish(with_photos(world))
    lot, images = described(world, job)
    assert (lot.status, list(lot.missing_images)) == (LotStatus.COMPLETED, [gone])
    assert [world.photos.url(photo) for photo in PHOTOS[:3]] in images
    assert (job.images.completed, job.images.failed) == (4, 1)
    assert_billed_once(world)


def test_a_photo_that_is_gone_since_it_was_probed_is_found_out(world):
    job_id = with_photos(world)
    probe.tick(world.resources, go_on)
    world.photos.replies["/4.jpg"] = Reply(status=410)
    misbehave(world, "line", "image_error", match={"image_url": "/4.jpg"}, words="unnamed")
    job = world.finish(job_id)
    lot, images = described(world, job)
    assert list(lot.missing_images) == [world.photos.url("/4.jpg")]
    assert [world.photos.url(photo) for photo in PHOTOS[:3]] in images
    assert (job.images.completed, job.images.failed) == (4, 1)


def test_a_lot_left_with_too_few_photos_fails_and_is_not_asked_about_again(world):
    gone = world.photos.url("/2.png")
    misbehave(world, "line", "image_error", match={"image_url": gone}, ever=True, url=gone)
    job = world.finish(with_photos(world, 2))
    lot, images = described(world, job)
    assert (lot.status, lot.error.code) == (LotStatus.FAILED, "too_many_unreachable_images")
    assert images == [[world.photos.url("/1.jpg")]]
    assert (job.images.completed, job.images.failed, job.vision.failed) == (2, 1, 1)

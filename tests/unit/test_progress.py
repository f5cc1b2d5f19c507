from datetime import UTC, datetime, timedelta

import pytest

from generation_service.core.progress import Shares, expected_end

STARTED = datetime(2026, 11, 22, 9, tzinfo=UTC)


def end_after(passed, *, lots=2_500, texts):
    now = STARTED + passed
    return expected_end(started=STARTED, now=now, lots=lots, texts=texts) - STARTED


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("images", "vision", "translation", "whole"),
    [
        (0, 0, 0, 0),
        (1, 0, 0, 0.1),
        (1, 1, 0, 0.55),
        (1, 1, 1, 1),
        (1, 0.5, None, 0.55),
        (1, 1, None, 1),
    ],
)
def test_photos_are_a_tenth_and_the_two_rounds_of_texts_the_rest(
    images, vision, translation, whole
):
    shares = Shares(images=images, vision=vision, translation=translation)
    assert shares.whole == pytest.approx(whole)


def test_at_first_the_size_of_a_job_is_all_that_is_known():
    assert end_after(timedelta(), texts=0.0) == 2 * HOUR
    assert end_after(HOUR / 2, texts=0.05) == 2 * HOUR
    assert end_after(HOUR / 2, texts=None) == 2 * HOUR


def test_later_its_pace_tells_more():
    assert end_after(HOUR, texts=0.5) == 2 * HOUR
    assert end_after(HOUR, texts=0.25) == 4 * HOUR


def test_no_end_lies_in_the_past_nor_beyond_a_day():
    assert end_after(3 * HOUR, texts=0.0) == 3 * HOUR
    assert end_after(6 * HOUR, texts=0.1) == 24 * HOUR
    assert end_after(25 * HOUR, texts=0.9) == 25 * HOUR

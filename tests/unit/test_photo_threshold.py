"""When a lot has enough photos to be described."""

import pytest

from generation_service.core.images import too_few


def urls(count):
    return [f"https://photos.example/{n}.jpg" for n in range(count)]


@pytest.mark.parametrize(
    ("total", "missing", "threshold", "enough"),
    [
        (10, 3, 0.7, True),
        (10, 4, 0.7, False),
        (3, 1, 0.7, False),
        (1, 0, 0.7, True),
        (1, 1, 0.0, False),
        (2, 1, 0.0, True),
        (2, 1, 1.0, False),
        (100, 30, 0.7, True),
    ],
)
def test_the_threshold_counts_reachable_photos_and_none_is_never_enough(
    total, missing, threshold, enough
):
    everything = urls(total)
    assert (too_few(everything, everything[:missing], threshold) is None) is enough


def test_the_reason_counts_what_is_there():
    everything = urls(4)
    reason = too_few(everything, everything[:2], 0.7)
    assert reason is not None
    assert "Only 2 of 4 images" in reason
    assert "70%" in reason

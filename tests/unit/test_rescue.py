"""What can become of an answer that OpenAI still holds."""

import pytest

from generation_service.core.rescue import Asked, Fate, fate

RETRYABLE = frozenset({"completed", "failed"})


def asked(status="failed", job_status="failed", *, attempt=3, here=True):
    return Asked(attempt, status, job_status, here)


@pytest.mark.parametrize("job_status", ["completed", "failed"])
def test_the_answer_to_the_very_attempt_that_failed_is_rescued(job_status):
    assert fate(asked(job_status=job_status), 3, RETRYABLE) is Fate.RESCUED


@pytest.mark.parametrize(
    ("request_", "its"),
    [
        (None, Fate.GONE),
        (asked("completed"), Fate.RECORDED),
        (asked("queued"), Fate.UNDER_WAY),
        (asked("submitted", "processing", here=False), Fate.UNDER_WAY),
        (asked("cancelled", "cancelled"), Fate.CANCELLED),
        (asked("failed", "cancelled"), Fate.CANCELLED),
        (asked("failed", "translating"), Fate.JOB_UNDER_WAY),
        (asked("failed", "deleted"), Fate.GONE),
        (asked(attempt=2), Fate.SUPERSEDED),
        (asked(here=False), Fate.SUPERSEDED),
    ],
)
def test_any_other_answer_is_left(request_, its):
    assert fate(request_, 3, RETRYABLE) is its

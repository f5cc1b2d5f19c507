"""What becomes of a request: tried again only where that can help, and never without end."""

import pytest

from generation_service.core.limits import MAX_ATTEMPTS
from generation_service.core.openai_errors import Failure, Retry
from generation_service.core.replies import Completion
from generation_service.core.verdicts import Again, Done, GiveUp, How, judge


def completion(text):
    return Completion(
        text=text,
        model="m",
        prompt_tokens=7,
        cached_tokens=0,
        completion_tokens=3,
        simulated=False,
    )


def failure(retry, **fields):
    return Failure(code="openai_error", message="no", retry=retry, **fields)


def test_a_text_is_done():
    verdict = judge(completion("<p>Dent</p>"), attempt=1, larger=False, reprobed=False)
    assert isinstance(verdict, Done)
    assert verdict.text == "<p>Dent</p>"


def test_a_text_of_nothing_is_asked_for_again_and_its_tokens_are_counted():
    verdict = judge(completion(""), attempt=1, larger=False, reprobed=False)
    assert isinstance(verdict, Again)
    assert (verdict.failure.code, verdict.failure.prompt_tokens) == ("openai_empty_answer", 7)


@pytest.mark.parametrize("attempt", range(1, MAX_ATTEMPTS))
def test_a_passing_failure_is_tried_again_later(attempt):
    verdict = judge(failure(Retry.AGAIN), attempt=attempt, larger=False, reprobed=False)
    assert isinstance(verdict, Again)
    assert verdict.delay > 0


def test_the_last_attempt_is_the_last():
    verdict = judge(failure(Retry.AGAIN), attempt=MAX_ATTEMPTS, larger=False, reprobed=False)
    assert isinstance(verdict, GiveUp)


def test_what_cannot_succeed_is_given_up_at_once():
    verdict = judge(failure(Retry.NEVER), attempt=1, larger=False, reprobed=False)
    assert isinstance(verdict, GiveUp)


def test_openai_s_own_pause_is_kept():
    reply = failure(Retry.AGAIN, retry_after=77.0)
    assert judge(reply, attempt=1, larger=False, reprobed=False) == Again(reply, delay=77.0)


def test_an_innocent_request_is_tried_again_for_free_however_often():
    reply = failure(Retry.FREE)
    verdict = judge(reply, attempt=MAX_ATTEMPTS, larger=True, reprobed=True)
    assert verdict == Again(reply, free=True)


@pytest.mark.parametrize(
    ("retry", "how"), [(Retry.LARGER, How.LARGER), (Retry.REPROBE, How.AFTER_PROBE)]
)
def test_a_remedy_is_tried_once(retry, how):
    first = judge(failure(retry), attempt=1, larger=False, reprobed=False)
    second = judge(failure(retry), attempt=2, larger=True, reprobed=True)
    assert isinstance(first, Again)
    assert first.how is how
    assert isinstance(second, GiveUp)

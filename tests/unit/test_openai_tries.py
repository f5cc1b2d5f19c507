"""When a direct call is tried again."""

from collections.abc import Sequence

import pytest

from generation_service.clients.deadline import Deadline
from generation_service.clients.openai_tries import Pauses, repeated
from generation_service.core.replies import Completion, Failure, Reply, Retry

TEXT = Completion(
    text="<p>Dent.</p>",
    model="m",
    prompt_tokens=1,
    cached_tokens=0,
    completion_tokens=1,
    simulated=False,
)
DOWN = Failure(code="openai_error", message="HTTP 500", retry=Retry.AGAIN)


def limited(seconds):
    return Failure(
        code="openai_rate_limited", message="slow", retry=Retry.AGAIN, retry_after=seconds
    )


def asked(replies: Sequence[tuple[Reply, bool]], seconds: float = 60, jitter: float = 1.0):
    """The reply, the pauses before it, and how often was asked."""
    pauses: list[float] = []
    left = list(replies)
    reply = repeated(
        lambda: left.pop(0),
        Deadline.after(seconds),
        Pauses(wait=pauses.append, jitter=lambda: jitter),
    )
    return reply, pauses, len(replies) - len(left)


def test_a_text_ends_the_tries():
    assert asked([(TEXT, False)]) == (TEXT, [], 1)


def test_what_must_not_be_repeated_is_not():
    assert asked([(DOWN, False), (TEXT, False)]) == (DOWN, [], 1)


def test_pauses_double_up_to_eight_seconds_and_tries_end():
    assert asked([(DOWN, True)] * 9) == (DOWN, [0.5, 1.0, 2.0, 4.0, 8.0], 6)


def test_pauses_are_spread_over_half_their_length():
    assert asked([(DOWN, True), (TEXT, False)], jitter=0.0)[1] == [0.25]


def test_the_server_may_ask_for_longer_pauses():
    assert asked([(limited(20.0), True), (TEXT, False)]) == (TEXT, [20.0], 2)


def test_a_wait_past_the_deadline_is_passed_on():
    assert asked([(limited(90.0), True)]) == (limited(90.0), [], 1)


def test_a_rate_limit_without_a_time_is_passed_on_too():
    assert asked([(limited(None), True)], seconds=0.3) == (limited(None), [], 1)


def test_an_error_that_the_deadline_leaves_no_time_for_is_a_timeout():
    reply, pauses, tries = asked([(DOWN, True)], seconds=0.3)
    assert isinstance(reply, Failure)
    assert (reply.code, reply.retry, pauses, tries) == ("openai_timeout", Retry.AGAIN, [], 1)
    assert "HTTP 500" in reply.message


@pytest.mark.parametrize("seconds", [0, -1])
def test_after_the_deadline_nothing_is_asked(seconds):
    reply, _, tries = asked([(TEXT, False)], seconds=seconds)
    assert isinstance(reply, Failure)
    assert (reply.code, tries) == ("openai_timeout", 0)


def given_up_after(tries: int, replies: Sequence[tuple[Reply, bool]]):
    """The reply, and the pauses, when nothing may be sent any more after so many looks."""
    pauses: list[float] = []
    looks = iter([True] * tries)
    left = list(replies)
    reply = repeated(
        lambda: left.pop(0),
        Deadline.after(600),
        Pauses(wait=pauses.append, jitter=lambda: 1.0),
        lambda: next(looks, False),
    )
    return reply, pauses


def test_what_may_not_be_sent_is_not():
    reply, _ = given_up_after(0, [])
    assert isinstance(reply, Failure)
    assert (reply.message, reply.retry) == ("Nothing was sent.", Retry.FREE)


def test_what_may_not_be_sent_again_ends_with_the_last_answer():
    assert given_up_after(1, [(DOWN, True)]) == (DOWN, [])


def test_a_long_wait_is_left_early():
    assert given_up_after(3, [(limited(500.0), True)]) == (limited(500.0), [20.0, 20.0])

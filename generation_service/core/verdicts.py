"""What becomes of a request, given OpenAI's answer and what the request has been through.

Only what can succeed is tried again, at most MAX_ATTEMPTS times a run; everything else ends with
its reason. (A request that is never asked again can't be paid twice.)
"""

from dataclasses import dataclass
from enum import StrEnum

from generation_service.core.limits import MAX_ATTEMPTS
from generation_service.core.replies import Completion, Failure, Reply, Retry
from generation_service.core.requests import attempt_of_run

RETRY_SECONDS = (0.0, 30.0, 120.0)
"""Delay before an attempt, by the number of attempts the run has made already."""
LONGEST_TOLD_SECONDS = 3600.0
"""OpenAI may ask for a longer delay, but not for one that outlasts the job."""


@dataclass(frozen=True, slots=True)
class Done:
    """The text, which is not empty."""

    text: str
    completion: Completion


@dataclass(frozen=True, slots=True)
class GiveUp:
    failure: Failure


class How(StrEnum):
    AS_IT_WAS = "as_it_was"
    LARGER = "larger"
    AFTER_PROBE = "after_probe"


@dataclass(frozen=True, slots=True)
class Again:
    """`delay` is in seconds; a `free` attempt doesn't count."""

    failure: Failure
    how: How = How.AS_IT_WAS
    delay: float = 0.0
    free: bool = False


Verdict = Done | GiveUp | Again


def judge(reply: Reply, *, attempt: int, larger: bool, reprobed: bool) -> Verdict:
    """`attempt` counts from 1 over all runs.

    `larger` and `reprobed` tell which remedies the run has used up.
    """
    failure = reply if isinstance(reply, Failure) else None
    if isinstance(reply, Completion):
        if reply.text:
            return Done(reply.text, reply)
        failure = _empty(reply)
    assert failure is not None  # noqa: S101 - a Reply is one or the other
    return _after_failure(failure, attempt=attempt, larger=larger, reprobed=reprobed)


def _after_failure(failure: Failure, *, attempt: int, larger: bool, reprobed: bool) -> Verdict:
    if failure.retry is Retry.FREE:
        return Again(failure, free=True)
    if failure.retry is Retry.LARGER and not larger:
        return Again(failure, How.LARGER)
    if failure.retry is Retry.REPROBE and not reprobed:
        return Again(failure, How.AFTER_PROBE)
    made = attempt_of_run(attempt)
    if failure.retry is Retry.AGAIN and made < MAX_ATTEMPTS:
        told = failure.retry_after
        delay = RETRY_SECONDS[made] if told is None else min(told, LONGEST_TOLD_SECONDS)
        return Again(failure, delay=delay)
    return GiveUp(failure)


def _empty(completion: Completion) -> Failure:
    return Failure(
        code="openai_empty_answer",
        message="The model answered without a usable text.",
        retry=Retry.AGAIN,
        prompt_tokens=completion.prompt_tokens,
        cached_tokens=completion.cached_tokens,
        completion_tokens=completion.completion_tokens,
        simulated=completion.simulated,
    )

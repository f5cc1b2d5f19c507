"""When a direct call is tried again: the one layer of retries towards OpenAI."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from generation_service.clients.deadline import Deadline
from generation_service.core.replies import Failure, Reply, Retry

_MAX_TRIES: Final = 6
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 8.0
_LOOK_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Pauses:
    """How to wait between tries; `jitter` gives a number in [0, 1)."""

    wait: Callable[[float], object] = time.sleep
    jitter: Callable[[], float] = random.random

    def after(self, tries: int) -> float:
        """Seconds of exponential backoff, spread over half to all of it."""
        longest = min(_FIRST_PAUSE * float(2 ** (tries - 1)), _LONGEST_PAUSE)
        return longest * (1 + self.jitter()) / 2


def repeated(
    once: Callable[[], tuple[Reply, bool]],
    deadline: Deadline,
    pauses: Pauses,
    may_send: Callable[[], bool] = lambda: True,
) -> Reply:
    """The reply of the last try; `once` also says whether it may be repeated without paying twice.

    The server's Retry-After is honoured. Where it reaches past the deadline the failure itself is
    returned, for the caller to pass on; where only our own pause does, the time was used up. When
    it may not be sent any more, the last failure is all there is.
    """
    reply: Reply = Failure(code="openai_error", message="Nothing was sent.", retry=Retry.FREE)
    for tries in range(1, _MAX_TRIES + 1):
        if deadline.passed:
            break
        if not may_send():
            return reply
        reply, repeatable = once()
        if not repeatable or not isinstance(reply, Failure) or tries == _MAX_TRIES:
            return reply
        pause = max(pauses.after(tries), reply.retry_after or 0.0)
        if pause >= deadline.left():
            return reply if _is_told_to_wait(reply) else late(reply.message, general=reply.general)
        _wait(pause, pauses, may_send)
    return late("Nothing was sent.")


def _wait(seconds: float, pauses: Pauses, may_send: Callable[[], bool]) -> None:
    """Wait, but not on and on for what may not be sent any more."""
    while seconds > 0 and may_send():
        pauses.wait(min(seconds, _LOOK_SECONDS))
        seconds -= _LOOK_SECONDS


def late(reason: str, *, retry: Retry = Retry.AGAIN, general: bool = False) -> Failure:
    """No time is left; with more of it the same might be asked again, unless `retry` says no."""
    message = f"The deadline has passed. {reason}"
    return Failure(code="openai_timeout", message=message, retry=retry, general=general)


def lost(reason: str) -> Failure:
    message = f"The request was sent and no answer came: {reason}"
    return Failure(code="openai_outcome_unknown", message=message, retry=Retry.NEVER)


def _is_told_to_wait(failure: Failure) -> bool:
    return failure.code == "openai_rate_limited" or failure.retry_after is not None

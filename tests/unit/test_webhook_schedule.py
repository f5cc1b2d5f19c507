"""When the attempts at a delivery are made, for every schedule an operator may set."""

import math

from hypothesis import given
from hypothesis import strategies as st

from generation_service.core.limits import MAX_RETRY_AFTER_SECONDS, MAX_WEBHOOK_ATTEMPTS
from generation_service.core.settings import schedule
from generation_service.core.webhooks import next_delay

SCHEDULES = st.lists(st.integers(0, 86_400), min_size=1, max_size=MAX_WEBHOOK_ATTEMPTS).map(
    lambda delays: schedule(",".join(map(str, delays)))
)
JITTERS = st.floats(-1, 1)
ASKED = st.none() | st.floats(0, 1e12)


@given(SCHEDULES, JITTERS, ASKED)
def test_a_round_has_as_many_attempts_as_the_schedule_has_delays(delays, jitter, asked):
    attempts = 1
    while next_delay(attempts, delays, jitter=jitter, retry_after=asked) is not None:
        attempts += 1
    assert attempts == len(delays)


@given(SCHEDULES, JITTERS, ASKED, st.data())
def test_a_delay_is_the_schedule_s_unless_the_receiver_asks_for_more(delays, jitter, asked, data):
    attempt = data.draw(st.integers(0, len(delays) - 1))
    delay = next_delay(attempt, delays, jitter=jitter, retry_after=asked)
    assert delay is not None
    assert math.isfinite(delay)
    assert delay >= 0.9 * delays[attempt] * (1 - 1e-9)
    assert delay <= max(1.1 * delays[attempt] * (1 + 1e-9), MAX_RETRY_AFTER_SECONDS)
    assert delay >= min(asked or 0, MAX_RETRY_AFTER_SECONDS)

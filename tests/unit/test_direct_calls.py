"""What replies to direct calls mean, and how the trouble of a whole server is met."""

import pytest

from generation_service.core.direct_calls import DENIED_PATIENCE_SECONDS, for_job, unknown
from generation_service.core.lanes import lacks_batch_api
from generation_service.core.limits import LEASE_SECONDS
from generation_service.core.openai_errors import Failure, Retry, read_error
from generation_service.pipeline.trouble import Outage, Trouble

SLOTS = 8


def failure(code="openai_error", retry=Retry.AGAIN, **more):
    return Failure(code=code, message="As told.", retry=retry, **more)


def taken(reply, trouble_seconds=0.0):
    found = for_job(reply, job_id="j1", trouble_seconds=trouble_seconds)
    assert isinstance(found, Failure)
    return found


@pytest.mark.parametrize("code", ["openai_outcome_unknown", "openai_timeout"])
def test_what_was_sent_and_not_answered_may_have_been_paid(code):
    found = taken(failure(code, Retry.NEVER))
    assert (found.code, found.retry) == ("openai_outcome_unknown", Retry.NEVER)
    assert found.message.startswith("As told. It may have been billed")
    assert "POST /api/v1/batch-jobs/j1/retry" in found.message


def test_time_that_ran_out_before_anything_was_sent_costs_an_attempt():
    late = failure("openai_timeout")
    assert taken(late) == late


@pytest.mark.parametrize(("told", "pause"), [(None, 30.0), (7.0, 7.0)])
def test_trouble_of_the_whole_server_is_free_and_waited_out(told, pause):
    found = taken(failure(general=True, retry_after=told))
    assert (found.retry, found.retry_after) == (Retry.FREE, pause)


@pytest.mark.parametrize(
    ("retry", "seconds", "expected"),
    [
        (Retry.NEVER, DENIED_PATIENCE_SECONDS - 1, Retry.FREE),
        (Retry.NEVER, DENIED_PATIENCE_SECONDS, Retry.NEVER),
        (Retry.AGAIN, 10 * DENIED_PATIENCE_SECONDS, Retry.FREE),
    ],
)
def test_only_what_an_operator_must_mend_fails_in_time(retry, seconds, expected):
    assert taken(failure(retry=retry, general=True), seconds).retry is expected


def test_the_fault_of_one_request_is_its_own():
    bad = failure(retry=Retry.NEVER)
    assert taken(bad, 10 * DENIED_PATIENCE_SECONDS) == bad


@pytest.mark.parametrize("status", [401, 403, 429, 502, 503])
def test_general_trouble_is_told_by_its_status(status):
    assert read_error(status, {"error": {"message": "no"}}).general


@pytest.mark.parametrize(
    ("status", "message"),
    [(400, "no"), (404, "no"), (500, "no"), (504, "no"), (429, "Request too large for m")],
)
def test_other_trouble_may_be_the_request_s_own(status, message):
    assert not read_error(status, {"error": {"message": message}}).general


def test_a_reason_ends_with_one_full_stop():
    assert unknown("Gone...", "j1").message.startswith("Gone. It")


def test_all_slots_are_used_while_nothing_is_wrong():
    trouble = Trouble()
    trouble.note(0.0, met=False)
    assert trouble.room(1.0, SLOTS, 0) == SLOTS
    assert trouble.lasted(1.0) == 0


def test_in_trouble_one_call_at_a_time_feels_its_way():
    trouble = Trouble()
    trouble.note(0.0, met=True)
    assert trouble.room(1.9, SLOTS, 0) == 0
    assert trouble.room(2.0, SLOTS, 0) == 1
    assert trouble.room(2.0, SLOTS, 1) == 0


def test_pauses_double_up_to_a_minute():
    trouble, now, pauses = Trouble(), 0.0, []
    for _ in range(8):
        trouble.note(now, met=True)
        pause = next(s for s in range(1, 100) if trouble.room(now + s, SLOTS, 0))
        pauses.append(pause)
        now += pause
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    assert trouble.lasted(now) == sum(pauses)


def test_calls_that_fail_side_by_side_count_once():
    trouble = Trouble()
    for _ in range(SLOTS):
        trouble.note(0.0, met=True)
    assert trouble.room(2.0, SLOTS, 0) == 1


def test_one_good_answer_ends_the_trouble():
    trouble = Trouble()
    trouble.note(0.0, met=True)
    trouble.note(2.0, met=False)
    assert trouble.room(2.0, SLOTS, 0) == SLOTS
    trouble.note(3.0, met=True)
    assert trouble.lasted(4.0) == 1.0


@pytest.mark.parametrize(
    ("status", "said", "lacks"),
    [
        (404, "", True),
        (405, "", True),
        (501, "", True),
        (400, "This endpoint is not supported", True),
        (400, "unknown_url", True),
        (400, "limit must be positive", False),
        (401, "", False),
        (500, "not supported", False),
        (None, "not found", False),
    ],
)
def test_a_server_without_a_batch_api_is_told_from_one_in_trouble(status, said, lacks):
    assert lacks_batch_api(status, said) is lacks


def test_an_outage_of_the_database_is_over_a_lease_s_length_after_it_was_met_last():
    outage = Outage()
    assert outage.is_over(0.0)
    outage.note(100.0)
    assert not outage.is_over(100.0 + LEASE_SECONDS - 0.1)
    assert outage.is_over(100.0 + LEASE_SECONDS)

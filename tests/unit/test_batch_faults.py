"""An OpenAI batch that ended as a whole: who is to blame, and who may try again."""

from generation_service.core.batch_faults import (
    enqueued_limit,
    unanswered,
    validation_failures,
)
from generation_service.core.openai_errors import Retry

BAD_LINE = {"code": "invalid_json_line", "message": "Not JSON.", "line": 2, "param": None}
TOO_MUCH = {
    "code": "token_limit_exceeded",
    "message": "Enqueued token limit reached for m in organization o. Limit: 900,000 enqueued "
    "tokens. Please try again once some in_progress batches have been completed.",
    "line": None,
    "param": None,
}


def test_a_named_line_fails_and_the_others_go_again_for_free():
    named, rest = validation_failures([BAD_LINE])
    assert named[2].retry is Retry.NEVER
    assert "Not JSON." in named[2].message
    assert rest.retry is Retry.FREE


def test_a_full_queue_blames_nobody_even_where_a_line_is_named():
    named, rest = validation_failures([{**TOO_MUCH, "line": 1}])
    assert named == {}
    assert rest.retry is Retry.FREE


def test_a_model_that_is_gone_fails_them_all():
    fault = {"code": "model_not_found", "message": "No such model.", "line": None}
    assert validation_failures([fault])[1].retry is Retry.NEVER


def test_a_fault_without_a_culprit_costs_everyone_an_attempt_so_that_it_ends():
    fault = {"code": "mismatched_model", "message": "Two models.", "line": None}
    assert validation_failures([fault])[1].retry is Retry.AGAIN
    assert validation_failures([])[1].retry is Retry.AGAIN


def test_the_limit_is_learned_from_openai_s_words():
    assert enqueued_limit([BAD_LINE, TOO_MUCH]) == 900_000
    assert enqueued_limit([BAD_LINE]) is None
    assert enqueued_limit([{**TOO_MUCH, "message": "Too much."}]) is None


def test_lines_in_neither_file_are_named_by_how_the_batch_ended():
    assert unanswered("expired").code == "openai_expired"
    assert unanswered("cancelled").code == "openai_cancelled"
    assert unanswered("completed").code == "openai_missing_line"
    assert unanswered(None).retry is Retry.AGAIN

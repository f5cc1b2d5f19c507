"""Batches as OpenAI and others describe them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation_service.core.openai_batch import (
    BatchFault,
    BatchState,
    MalformedBatchError,
    enqueued_token_limit,
    read_batch,
)

OPENAI = {
    "id": "batch_1",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "errors": None,
    "input_file_id": "file-in",
    "completion_window": "24h",
    "status": "completed",
    "output_file_id": "file-out",
    "error_file_id": None,
    "created_at": 1,
    "completed_at": 2,
    "request_counts": {"total": 3, "completed": 2, "failed": 1},
    "metadata": {"batch": "ours"},
}
VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())


def test_openais_own_batch_is_read_whole():
    assert read_batch(OPENAI) == BatchState(
        id="batch_1",
        status="completed",
        input_file_id="file-in",
        output_file_id="file-out",
        error_file_id=None,
        completed=2,
        failed=1,
        total=3,
        metadata={"batch": "ours"},
        errors=(),
        ended=True,
    )


def test_an_id_is_enough():
    state = read_batch({"id": "b"})
    assert (state.status, state.ended, state.total, state.metadata) == ("", False, 0, {})


@pytest.mark.parametrize(
    "body", [{}, {"id": ""}, {"id": None}, {"id": True}, {"id": 0}, [], None, "b"]
)
def test_without_an_id_it_is_no_batch(body):
    with pytest.raises(MalformedBatchError):
        read_batch(body)


@pytest.mark.parametrize(("sent", "read"), [(17, "17"), ("b" * 700, "b" * 700)])
def test_ids_are_text_and_never_cut(sent, read):
    state = read_batch({"id": sent, "output_file_id": sent})
    assert (state.id, state.output_file_id) == (read, read)


@pytest.mark.parametrize(
    ("sent", "status", "ended"),
    [
        ("validating", "validating", False),
        ("in_progress", "in_progress", False),
        ("finalizing", "finalizing", False),
        ("cancelling", "cancelling", False),
        ("failed", "failed", True),
        ("expired", "expired", True),
        ("cancelled", "cancelled", True),
        ("Completed", "completed", True),
        ("IN_PROGRESS", "in_progress", False),
        ("In Progress", "in_progress", False),
        ("Canceled", "cancelled", True),
        ("queued", "queued", False),
        (None, "", False),
        (7, "7", False),
    ],
)
def test_statuses_are_told_whatever_their_spelling(sent, status, ended):
    state = read_batch({"id": "b", "status": sent})
    assert (state.status, state.ended) == (status, ended)


@pytest.mark.parametrize("end", ["completed", "failed", "expired", "cancelled"])
def test_an_unknown_status_has_ended_when_a_time_says_so(end):
    state = read_batch({"id": "b", "status": "done", f"{end}_at": 1_700_000_000})
    assert (state.status, state.ended) == (end, True)


def test_a_known_status_counts_more_than_a_time():
    assert not read_batch(OPENAI | {"status": "finalizing"}).ended


@pytest.mark.parametrize("counts", [None, {}, [], {"total": None}, {"total": "3", "failed": -1}])
def test_counts_that_are_missing_or_odd_are_zero(counts):
    state = read_batch(OPENAI | {"request_counts": counts})
    assert (state.completed, state.failed, state.total) == (0, 0, 0)


def test_an_empty_file_id_is_none():
    state = read_batch(OPENAI | {"output_file_id": "", "error_file_id": 0})
    assert (state.output_file_id, state.error_file_id) == (None, None)


SENT = {"code": "invalid_url", "message": "Bad url", "param": "url", "line": 7}
FAULT = BatchFault(code="invalid_url", message="Bad url", param="url", line=7)
UNKNOWN = BatchFault(code="unknown", message="", line=None, param=None)
LIMIT_REACHED = (
    "Enqueued token limit reached for gpt-6-luna in organization org-x. Limit: 900,000 "
    "enqueued tokens. Please try again once some in_progress batches have been completed."
)


@pytest.mark.parametrize(
    ("errors", "faults"),
    [
        (None, ()),
        ({"object": "list", "data": None}, ()),
        ({"data": [SENT]}, (FAULT,)),
        ([SENT], (FAULT,)),
        (["only\x00 a text"], (replace(UNKNOWN, message="only a text"),)),
        ({"data": [{"line": "7"}]}, (UNKNOWN,)),
        ("a text", (replace(UNKNOWN, message="a text"),)),
        (SENT, (FAULT,)),
        ("", ()),
    ],
)
def test_faults_of_the_input_file_are_read(errors, faults):
    assert read_batch(OPENAI | {"errors": errors}).errors == faults


@given(st.dictionaries(st.sampled_from(list(OPENAI)), VALUES))
def test_nothing_but_the_id_can_make_it_raise(fields):
    assert read_batch(fields | {"id": "b"}).id == "b"


@pytest.mark.parametrize(
    ("message", "limit"),
    [
        (LIMIT_REACHED, 900_000),
        ("Limit: 15,000,000,000 enqueued tokens.", 15_000_000_000),
        ("Limit: 90000 enqueued tokens", 90_000),
        ("Limit: many enqueued tokens", None),
        ("", None),
    ],
)
def test_the_token_limit_is_learned_from_the_message(message, limit):
    assert enqueued_token_limit(message) == limit


@pytest.mark.parametrize(
    ("counts", "output_file_id", "ended"),
    [
        ({"total": 3, "completed": 2, "failed": 1}, "file-1", True),
        ({"total": 3, "completed": 2, "failed": 0}, "file-1", False),
        ({"total": 3, "completed": 3, "failed": 0}, None, False),
        ({"total": 0, "completed": 0, "failed": 0}, "file-1", False),
        (None, "file-1", False),
    ],
)
def test_an_unknown_status_has_ended_once_every_request_is_answered_in_a_file(
    counts, output_file_id, ended
):
    body = {"id": "b", "status": "done", "request_counts": counts}
    assert read_batch({**body, "output_file_id": output_file_id}).ended is ended

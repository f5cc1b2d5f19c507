"""Answers and lines of output and error files, good and bad."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation_service.core.replies import (
    Completion,
    Failure,
    Line,
    Retry,
    read_completion,
    read_line,
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("response", "error", "body", "status_code", "choices", "message", "content"),
                    *("refusal", "text", "finish_reason", "usage", "prompt_tokens", "code", "data"),
                    "prompt_tokens_details",
                ]
            ),
            inner,
        )
    ),
    max_leaves=25,
)
USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 300,
    "total_tokens": 1500,
    "prompt_tokens_details": {"cached_tokens": 1024},
}


def answer(finish="stop", usage=USAGE, **message):
    message = {"role": "assistant", "content": "<p>Dent.</p>", "refusal": None} | message
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-6.1-terra-2026",
        "choices": [choice],
        "usage": usage,
    }


def line(**fields):
    return json.dumps({"id": "batch_req_1", "custom_id": "lot-1"} | fields).encode()


def reply(**fields):
    read = read_line(line(**fields))
    assert read is not None
    assert read.custom_id == "lot-1"
    return read.reply


def test_an_answer_is_read_with_its_usage():
    assert read_completion(answer()) == Completion(
        text="<p>Dent.</p>",
        model="gpt-6.1-terra-2026",
        prompt_tokens=1200,
        cached_tokens=1024,
        completion_tokens=300,
        simulated=False,
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [("<p onclick='x'>Dent</p>", "<p>Dent</p>"), ("<script>alert(1)</script>", "")],
)
def test_a_text_is_cleaned_as_it_is_read(content, text):
    read = read_completion(answer(content=content))
    assert isinstance(read, Completion)
    assert (read.text, read.prompt_tokens) == (text, 1200)


def test_an_answer_may_come_as_text():
    assert read_completion(json.dumps(answer())) == read_completion(answer())


def test_the_simulators_answers_are_marked():
    read = read_completion(answer() | {"system_fingerprint": "simulator"})
    assert isinstance(read, Completion)
    assert read.simulated


def test_content_may_be_a_list_of_parts():
    parts = [{"type": "text", "text": "<p>a"}, {"type": "text", "text": "b</p>"}, None, "c"]
    read = read_completion(answer(content=parts))
    assert isinstance(read, Completion)
    assert read.text == "<p>ab</p>"


@pytest.mark.parametrize("usage", [None, {}, [], "many", {"prompt_tokens": -5}, {"x": 1}])
def test_usage_that_is_missing_or_odd_counts_as_nothing(usage):
    read = read_completion(answer(usage=usage))
    assert isinstance(read, Completion)
    assert (read.prompt_tokens, read.cached_tokens, read.completion_tokens) == (0, 0, 0)


@pytest.mark.parametrize(
    ("body", "code", "retry"),
    [
        (answer(refusal="I can't."), "openai_refused", Retry.NEVER),
        (answer(content=[{"type": "refusal", "refusal": "No."}]), "openai_refused", Retry.NEVER),
        (answer("content_filter"), "openai_refused", Retry.NEVER),
        (answer("length"), "openai_truncated", Retry.LARGER),
        (answer("length", content=""), "openai_truncated", Retry.LARGER),
        (answer(content=""), "openai_empty_answer", Retry.AGAIN),
        (answer(content=" \n"), "openai_empty_answer", Retry.AGAIN),
        (answer(content=None), "openai_empty_answer", Retry.AGAIN),
        (answer(content=[]), "openai_empty_answer", Retry.AGAIN),
    ],
)
def test_an_answer_that_is_none_says_why_and_what_it_cost(body, code, retry):
    read = read_completion(body)
    assert isinstance(read, Failure)
    assert (read.code, read.retry) == (code, retry)
    assert (read.prompt_tokens, read.completion_tokens) == (1200, 300)


def test_a_refusal_is_a_text_of_the_model_too():
    read = read_completion(answer(refusal="No.<script>steal()</script> <b onclick=x>Never.</b>"))
    assert isinstance(read, Failure)
    assert read.message == "No. Never."


@pytest.mark.parametrize(
    "body",
    ["<html>", "", None, [], 5, {}, {"choices": []}, {"choices": None}, {"choices": [5]}],
)
def test_what_is_no_answer_is_malformed(body):
    read = read_completion(body)
    assert isinstance(read, Failure)
    assert (read.code, read.retry) == ("openai_malformed_line", Retry.AGAIN)


def test_an_error_with_status_200_is_an_error():
    read = read_completion({"error": {"message": "busy", "code": "slow_down"}})
    assert isinstance(read, Failure)
    assert read.code == "openai_rate_limited"


@pytest.mark.parametrize(
    "response",
    [
        {"status_code": 200, "request_id": "r", "body": answer()},
        {"status_code": "200", "body": json.dumps(answer())},
        {"body": answer()},
        {"status_code": None, "body": json.dumps(answer())},
        answer(),
        json.dumps({"status_code": 200, "body": answer()}),
    ],
)
@pytest.mark.parametrize("error", [None, {}, {"code": None, "message": None}])
def test_a_lines_answer_is_found_in_every_shape(response, error):
    assert reply(response=response, error=error) == read_completion(answer())


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"response": None, "error": {"code": "batch_expired", "message": "m"}}, "openai_expired"),
        ({"error": {"code": "batch_cancelled", "message": "m"}}, "openai_cancelled"),
        ({"response": {"status_code": 500, "body": {}}, "error": None}, "openai_error"),
        ({"response": {"status_code": 429, "body": "slow"}}, "openai_rate_limited"),
        (
            {"response": {"status_code": 404}, "error": {"code": "model_not_found"}},
            "model_not_found",
        ),
        ({"response": {"status_code": 200, "body": "<html>"}}, "openai_malformed_line"),
        ({"response": {"status_code": 200}, "error": {"code": "x"}}, "openai_error"),
        ({"response": None, "error": None}, "openai_malformed_line"),
        ({}, "openai_malformed_line"),
        ({"response": [], "error": "odd"}, "openai_error"),
    ],
)
def test_a_lines_error_is_found_in_every_shape(fields, code):
    assert reply(**fields).code == code


def test_an_error_body_beats_the_line_it_is_in():
    error = {"message": "Timeout while downloading https://x.example/1.jpg.", "param": "url"}
    body = {"error": error | {"code": "invalid_image_url", "type": "invalid_request_error"}}
    failure = reply(response={"status_code": 400, "body": json.dumps(body)}, error=None)
    assert (failure.code, failure.image_url) == ("image_download_failed", "https://x.example/1.jpg")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"custom_id": null}',
        b'{"custom_id": ""}',
        b'{"custom_id": 5}',
        b'{"custom_id": "a\\u0000"}',
        b'{"custom_id": "\\ud800"}',
        b"[" * 100_000,
        json.dumps({"custom_id": "x" * 513}).encode(),
        line(response={"status_code": 200, "body": answer()})[:-20],
    ],
)
def test_a_line_without_a_usable_id_is_nobodys(text):
    assert read_line(text) is None


def test_a_byte_order_mark_and_bad_bytes_spoil_nothing():
    text = b"\xef\xbb\xbf" + line(response={"status_code": 200, "body": answer(content="\xff")})
    assert isinstance(read_line(text), Line)


@given(st.binary())
def test_no_bytes_make_it_raise(text):
    read = read_line(text)
    assert read is None or isinstance(read, Line)


@given(JSON_VALUES, JSON_VALUES, st.text(min_size=1, max_size=3))
def test_no_json_makes_it_raise(response, error, custom_id):
    text = json.dumps({"custom_id": custom_id, "response": response, "error": error}).encode()
    read = read_line(text)
    assert read is None or isinstance(read.reply, Completion | Failure)


@given(JSON_VALUES)
def test_no_body_makes_it_raise(body):
    assert isinstance(read_completion(body), Completion | Failure)

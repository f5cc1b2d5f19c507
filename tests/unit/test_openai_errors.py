"""What errors of OpenAI, and of servers like it, are taken to mean."""

import pytest

from generation_service.core.openai_errors import Retry, error_code, read_error

URL = "https://cdn.example.com/a/b.jpg?x=1&y=2"


def body(message="", code=None, kind=None, param=None):
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


@pytest.mark.parametrize(
    ("status", "code", "message", "expected", "retry"),
    [
        (429, "rate_limit_exceeded", "Rate limit reached", "openai_rate_limited", Retry.AGAIN),
        (429, "slow_down", "", "openai_rate_limited", Retry.AGAIN),
        (503, "slow_down", "", "openai_rate_limited", Retry.AGAIN),
        (429, None, "", "openai_rate_limited", Retry.AGAIN),
        (429, "rate_limit_exceeded", "Request too large for m", "openai_error", Retry.NEVER),
        (429, "insufficient_quota", "", "openai_quota_exhausted", Retry.NEVER),
        (429, None, "You exceeded your current quota", "openai_quota_exhausted", Retry.NEVER),
        (429, "credit_balance_exhausted", "", "openai_quota_exhausted", Retry.NEVER),
        (429, "project_spend_limit_exceeded", "", "openai_quota_exhausted", Retry.NEVER),
        (429, "organization_usage_limit_exceeded", "", "openai_quota_exhausted", Retry.NEVER),
        (403, "billing_hard_limit_reached", "", "openai_quota_exhausted", Retry.NEVER),
        (404, "model_not_found", "", "model_not_found", Retry.NEVER),
        (404, None, "The model `x` does not exist", "model_not_found", Retry.NEVER),
        (400, "content_policy_violation", "", "openai_refused", Retry.NEVER),
        (400, "content_filter", "", "openai_refused", Retry.NEVER),
        (None, "batch_expired", "", "openai_expired", Retry.AGAIN),
        (None, "batch_cancelled", "", "openai_cancelled", Retry.AGAIN),
        (None, "server_error", "", "openai_error", Retry.AGAIN),
        (500, None, "", "openai_error", Retry.AGAIN),
        (502, "anything", "Unable to fetch upstream", "openai_error", Retry.AGAIN),
        (408, None, "", "openai_error", Retry.AGAIN),
        (409, None, "", "openai_error", Retry.AGAIN),
        (400, "invalid_value", "Invalid 'messages'", "openai_error", Retry.NEVER),
        (401, "invalid_api_key", "Incorrect API key", "openai_error", Retry.NEVER),
        (403, "unsupported_country_region_territory", "", "openai_error", Retry.NEVER),
        (302, None, "", "openai_error", Retry.NEVER),
    ],
)
def test_an_error_is_told_by_status_code_and_message(status, code, message, expected, retry):
    failure = read_error(status, body(message, code))
    assert (failure.code, failure.retry) == (expected, retry)


@pytest.mark.parametrize(
    ("message", "code", "named"),
    [
        (f"Timeout while downloading {URL}.", "invalid_image_url", URL),
        (f"Timeout while downloading {URL}", "invalid_value", URL),
        (f"Error while downloading {URL}.", "invalid_image_url", URL),
        (f"Failed to download image from {URL}. Please check", None, URL),
        (f"Unable to fetch '{URL}'", None, URL),
        (f"Could not download the file ({URL})", None, URL),
        ("Error while downloading file. Upstream status code: 400.", "invalid_value", None),
        ("Downloading the image timed out", None, None),
        ("You uploaded an unsupported image.", "invalid_image_format", None),
        ("", "image_parse_error", None),
        ("Invalid image URL in content[1]", None, None),
    ],
)
@pytest.mark.parametrize("status", [400, 422, None])
def test_an_image_that_openai_cannot_fetch_is_recognised_loosely(status, message, code, named):
    failure = read_error(status, body(message, code, "invalid_request_error", "url"))
    assert failure.code == "image_download_failed"
    assert failure.retry is Retry.REPROBE
    assert failure.image_url == named


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (body("said so"), "said so"),
        ('{"error": {"message": "as text"}}', "as text"),
        ({"error": '{"message": "text in an object"}'}, "text in an object"),
        ({"error": "only a text"}, "only a text"),
        ({"object": "error", "message": "bare", "code": 400}, "bare"),
        ({"detail": "FastAPI's"}, "FastAPI's"),
        (
            {"detail": [{"loc": ["body"], "msg": "missing"}]},
            "[{'loc': ['body'], 'msg': 'missing'}]",
        ),
        ("plain text", "plain text"),
        ("<html><body><h1>502</h1>\n <p>Bad gateway</p></body></html>", "502 Bad gateway"),
        (None, "OpenAI answered HTTP 500 (no explanation)."),
        ("", "OpenAI answered HTTP 500 (no explanation)."),
        ({}, "OpenAI answered HTTP 500 (no explanation)."),
        ([], "OpenAI answered HTTP 500 (no explanation)."),
        (17, "17"),
        ({"error": {"code": "server_error"}}, "OpenAI answered HTTP 500 (server_error)."),
        ({"error": {"message": None, "code": []}}, "OpenAI answered HTTP 500 (no explanation)."),
        ("[" * 100_000, "[" * 500),
    ],
)
def test_bodies_of_every_shape_give_a_readable_message(answer, message):
    assert read_error(500, answer).message == message


def test_a_message_holds_no_key_no_nul_and_no_endless_tail():
    message = f"Incorrect API key provided: sk-proj-abc123***xyz. \x00\ud800 {'x' * 9_000}"
    shown = read_error(401, body(message)).message
    assert shown.startswith("Incorrect API key provided: …")
    assert "abc123" not in shown
    assert "\x00" not in shown
    assert shown.encode()
    assert len(shown) <= 500


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Rate limit reached. Please try again in 20s.", 20),
        ("Please try again in 1.5s", 1.5),
        ("Please try again in 120ms.", 0.12),
        ("Please try again in 6m0s.", 360),
        ("Please try again in 1h2m3s.", 3723),
        ("Please try again in a while", None),
        ("", None),
    ],
)
def test_the_wait_that_a_message_asks_for_is_read(message, seconds):
    assert read_error(429, body(message)).retry_after == seconds


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (body(code="token_limit_exceeded", kind="invalid_request_error"), "token_limit_exceeded"),
        (body(kind="invalid_request_error"), "invalid_request_error"),
        ("<html>", ""),
    ],
)
def test_openais_own_code_is_found(answer, code):
    assert error_code(answer) == code

"""Misbehaving calls: errors, delays, resets before and after the work."""

import time

import httpx2
import openai
import pytest
from openai import OpenAI

from openai_simulator.server import Simulator
from tests.simulator.asking import chat, create, jsonl, lines, raw_lines, run, submit, upload
from tests.simulator.client import sdk
from tests.waiting import until

REFUSALS = [
    (429, "rate_limit_exceeded", 7),
    (429, "slow_down", None),
    (429, "insufficient_quota", None),
    (429, "credit_balance_exhausted", None),
    (429, "project_spend_limit_exceeded", None),
    (429, "organization_usage_limit_exceeded", None),
    (500, "server_error", None),
    (503, "server_overloaded", 1.5),
    (503, "server_overloaded", "Wed, 21 Oct 2026 07:28:00 GMT"),
    (401, "invalid_api_key", None),
    (404, "model_not_found", None),
    (529, "strange", None),
]


@pytest.mark.parametrize(("status", "code", "retry_after"), REFUSALS)
def test_any_error_can_be_given(
    simulator: Simulator, client: OpenAI, status: int, code: str, retry_after: float | str | None
) -> None:
    rule = {"on": "chat", "do": "status", "status": status, "code": code, "times": 1}
    simulator.rules.add({**rule, "retry_after": retry_after})
    with pytest.raises(openai.APIStatusError) as error:
        client.chat.completions.create(**chat())
    assert (error.value.status_code, error.value.code) == (status, code)
    given = error.value.response.headers.get("retry-after")
    assert given == (None if retry_after is None else str(retry_after))
    assert client.chat.completions.create(**chat()).choices


def test_the_sdk_s_own_retries_heed_an_error_that_passes(simulator: Simulator) -> None:
    simulator.rules.add({"on": "chat", "do": "status", "status": 500, "times": 1})
    with sdk(simulator, max_retries=1) as client:
        assert client.chat.completions.create(**chat()).choices
    assert simulator.traffic.document["POST /v1/chat/completions"] == {"200": 1, "500": 1}


def test_an_error_can_carry_other_words(simulator: Simulator, client: OpenAI) -> None:
    words = "Request too large for gpt-6-luna"
    simulator.rules.add({"on": "chat", "do": "status", "status": 429, "message": words})
    with pytest.raises(openai.RateLimitError, match=words):
        client.chat.completions.create(**chat())


def test_a_reset_before_the_work_is_not_billed(simulator: Simulator, client: OpenAI) -> None:
    simulator.rules.add({"on": "chat", "do": "reset_before"})
    with pytest.raises(openai.APIConnectionError) as error:
        client.chat.completions.create(**chat())
    assert isinstance(error.value.__cause__, httpx2.ReadError)
    assert list(simulator.ledger) == []
    assert simulator.traffic.document["POST /v1/chat/completions"] == {"dropped": 1}


def test_a_reset_after_the_work_is_billed(simulator: Simulator, client: OpenAI) -> None:
    simulator.rules.add({"on": "chat", "do": "reset_after"})
    with pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(**chat())
    assert len(list(simulator.ledger)) == 1


def test_a_batch_can_be_created_though_the_answer_is_lost(
    simulator: Simulator, client: OpenAI
) -> None:
    file_id = upload(client, jsonl(lines(1)))
    simulator.rules.add({"on": "create", "do": "reset_after"})
    with pytest.raises(openai.APIConnectionError):
        create(client, file_id, metadata={"ours": "7"})
    [batch] = client.batches.list()
    assert (batch.input_file_id, batch.metadata) == (file_id, {"ours": "7"})


def test_a_file_can_be_kept_though_the_answer_is_lost(simulator: Simulator, client: OpenAI) -> None:
    simulator.rules.add({"on": "upload", "do": "reset_after"})
    with pytest.raises(openai.APIConnectionError):
        upload(client, jsonl(lines(1)))
    assert len(list(client.files.list())) == 1


@pytest.mark.parametrize(("do", "billed"), [("hang", 0), ("hang_after", 1)])
def test_a_call_that_hangs_runs_into_the_client_s_timeout(
    simulator: Simulator, do: str, billed: int
) -> None:
    simulator.rules.add({"on": "chat", "do": do})
    with sdk(simulator, timeout=0.3) as client, pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(**chat())
    assert len(list(simulator.ledger)) == billed


def test_a_simulator_with_calls_that_hang_can_be_closed() -> None:
    with Simulator(rules=[{"on": "chat", "do": "hang"}]) as simulator:
        with sdk(simulator, timeout=0.1) as client, pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(**chat())
        started = time.monotonic()
    assert time.monotonic() - started < 5


def test_a_slow_call_takes_its_time(simulator: Simulator, client: OpenAI) -> None:
    simulator.rules.add({"on": "chat", "do": "slow", "seconds": 0.2})
    started = time.monotonic()
    client.chat.completions.create(**chat())
    assert time.monotonic() - started >= 0.2


def test_a_creation_that_comes_after_its_file_was_deleted_fails(
    simulator: Simulator, client: OpenAI
) -> None:
    file_id = upload(client, jsonl(lines(1)))
    simulator.rules.add({"on": "create", "do": "slow", "seconds": 0.3})
    with sdk(simulator, timeout=0.1) as hasty, pytest.raises(openai.APITimeoutError):
        create(hasty, file_id)
    client.files.delete(file_id)
    counts = simulator.traffic
    until(lambda: counts.document.get("POST /v1/batches"), what="the late creation answered")
    assert counts.document["POST /v1/batches"] == {"400": 1}
    assert list(client.batches.list()) == []


def test_an_upload_can_vanish(simulator: Simulator, client: OpenAI) -> None:
    simulator.rules.add({"on": "upload", "do": "lose_file"})
    with pytest.raises(openai.BadRequestError):
        submit(client, lines(1))


def test_the_content_of_a_file_can_be_missing_empty_or_cut(
    simulator: Simulator, client: OpenAI
) -> None:
    batch = run(client, lines(3))
    assert len(raw_lines(client, batch.output_file_id)) == 3
    simulator.rules.add({"on": "content", "do": "status", "status": 404, "times": 1})
    with pytest.raises(openai.NotFoundError):
        raw_lines(client, batch.output_file_id)
    simulator.rules.add({"on": "content", "do": "empty_content", "times": 1})
    assert raw_lines(client, batch.output_file_id) == []
    simulator.rules.add({"on": "content", "do": "cut_content", "fraction": 0.6})
    with pytest.raises((openai.APIConnectionError, httpx2.TransportError)):
        raw_lines(client, batch.output_file_id)


def test_what_is_sent_of_a_file_can_be_read_before_the_reset(
    simulator: Simulator, client: OpenAI
) -> None:
    batch = run(client, lines(3))
    assert batch.output_file_id
    simulator.rules.add({"on": "content", "do": "cut_content", "fraction": 0.6, "seconds": 0.3})
    headers = {"Authorization": "Bearer sk-x"}
    with httpx2.stream(
        "GET", f"{simulator.base_url}/files/{batch.output_file_id}/content", headers=headers
    ) as answer:
        pieces = answer.iter_raw()
        assert b'"custom_id"' in next(pieces)
        with pytest.raises(httpx2.TransportError):
            list(pieces)


def test_a_call_refused_before_its_body_was_read_keeps_the_connection(
    simulator: Simulator,
) -> None:
    simulator.rules.add({"on": "upload", "do": "status", "status": 503})
    headers = {"Authorization": "Bearer sk-x"}
    with httpx2.Client(base_url=simulator.base_url, headers=headers) as http:
        refused = http.post("/files", content=b"x" * 10_000)
        good = http.get("/models")
    assert (refused.status_code, good.status_code) == (503, 200)
    assert refused.extensions["network_stream"] is good.extensions["network_stream"]

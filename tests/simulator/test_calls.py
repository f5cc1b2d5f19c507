"""The direct calls: chat completions, responses and models, through the real SDK."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import openai
import pytest
from openai import OpenAI

from openai_simulator.server import Simulator
from tests.simulator.asking import chat


def test_a_chat_completion_is_complete_and_marked_as_simulated(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        **chat("Translate into Russian (ru).\n<text>\nHi\n</text>")
    )
    assert answer.choices[0].message.content == "[ru] hI"
    assert (answer.choices[0].finish_reason, answer.system_fingerprint) == ("stop", "simulator")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_the_responses_endpoint_says_the_same(client: OpenAI) -> None:
    asked = "Translate into Russian (ru).\n<text>\nHi\n</text>"
    answer = client.responses.create(model="gpt-6-luna", input=asked, reasoning={"effort": "none"})
    assert (answer.output_text, answer.status) == ("[ru] hI", "completed")


def test_instructions_and_messages_reach_the_model_too(client: OpenAI) -> None:
    answer = client.responses.create(
        model="gpt-6-luna",
        instructions='language="de"',
        input=[{"role": "user", "content": [{"type": "input_text", "text": "Dent"}]}],
    )
    assert answer.output_text == "[de] dENT"


def test_a_request_for_photos_without_any_is_told_so(client: OpenAI) -> None:
    asked = "Describe the photos https://example.com/a.jpg"
    answer = client.chat.completions.create(**chat(asked))
    assert "no photo" in str(answer.choices[0].message.content)


def test_an_answer_longer_than_its_cap_is_cut_and_says_so(client: OpenAI) -> None:
    answer = client.chat.completions.create(**chat("a" * 400, max_completion_tokens=10))
    assert answer.choices[0].finish_reason == "length"
    assert len(str(answer.choices[0].message.content)) == 40


def test_reasoning_can_use_up_the_whole_cap(client: OpenAI) -> None:
    asked = chat("Good day", reasoning_effort="medium", max_completion_tokens=50)
    answer = client.chat.completions.create(**asked)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("", "length")


def test_an_incomplete_response_names_its_reason(client: OpenAI) -> None:
    answer = client.responses.create(model="gpt-6-luna", input="a" * 400, max_output_tokens=16)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


def test_models_are_listed_with_the_day_they_are_shut_down(client: OpenAI) -> None:
    models = {model.id: model.shutdown_date for model in client.models.list()}
    assert models["gpt-4.1-mini"] == "2027-01-14"
    assert models["gpt-6.1-terra"] is None
    assert client.models.retrieve("gpt-6-luna").id == "gpt-6-luna"


@pytest.mark.parametrize("model", ["o4-mini", "gpt-99"])
def test_a_model_that_was_shut_down_or_never_was_is_a_404(client: OpenAI, model: str) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        client.chat.completions.create(**chat(model=model))
    assert error.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve(model)


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer"}]
)
def test_a_call_without_a_key_is_a_401(simulator: Simulator, headers: dict[str, str]) -> None:
    answer = httpx2.get(f"{simulator.base_url}/models", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/nothing", 404), ("PUT", "/v1/batches", 405)]
)
def test_an_unknown_call_is_refused(
    simulator: Simulator, method: str, path: str, status: int
) -> None:
    answer = httpx2.request(method, simulator.url + path, headers={"Authorization": "Bearer sk-x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, "unknown_url")


def test_connections_are_kept_alive_and_a_chunked_body_is_read(simulator: Simulator) -> None:
    headers = {"Authorization": "Bearer sk-x", "Content-Type": "application/json"}
    body = b'{"model":"gpt-6-luna","messages":[{"role":"user","content":"Hi"}]}'
    with httpx2.Client(base_url=simulator.base_url, headers=headers) as http:
        first = http.post("/chat/completions", content=iter([body[:20], body[20:]]))
        second = http.post("/chat/completions", content=body)
    assert first.status_code == second.status_code == 200
    assert first.extensions["network_stream"] is second.extensions["network_stream"]


def test_a_hundred_calls_can_be_under_way_at_once(simulator: Simulator) -> None:
    simulator.rules.add({"on": "models", "do": "slow", "seconds": 0.3})
    headers = {"Authorization": "Bearer sk-x"}
    with httpx2.Client(base_url=simulator.base_url, headers=headers) as http:
        started = time.monotonic()
        with ThreadPoolExecutor(100) as pool:
            answers = list(pool.map(lambda _: http.get("/models").status_code, range(100)))
    assert answers == [200] * 100
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_a_400(simulator: Simulator, body: bytes) -> None:
    url = f"{simulator.base_url}/chat/completions"
    answer = httpx2.post(url, content=body, headers={"Authorization": "Bearer sk-x"})
    assert answer.status_code == 400

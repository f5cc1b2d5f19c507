"""What OpenAI refuses, is refused: code and param of each 400, one row a fault."""

from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from openai_simulator.server import Simulator
from tests.simulator.asking import chat, picture

URL = "https://example.com/a.jpg"
AT = "messages[0].content"


def text_part(**more: object) -> dict[str, object]:
    return {"type": "text", "text": "Hi", **more}


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"colour": 1}, "unknown_parameter", "colour"),
        ({"model": None}, "invalid_type", "model"),
        ({"model": 5}, "invalid_type", "model"),
        ({"messages": "Hi"}, "invalid_type", "messages"),
        ({"messages": []}, "empty_array", "messages"),
        ({"messages": [{"role": "user"}]}, "missing_required_parameter", AT),
        ({"messages": [{"content": "Hi"}]}, "missing_required_parameter", "messages[0].role"),
        ({"messages": [{"role": "bot", "content": "Hi"}]}, "invalid_value", "messages[0].role"),
        ({"max_tokens": 100}, "unsupported_parameter", "max_tokens"),
        ({"max_completion_tokens": 0}, "integer_below_min_value", "max_completion_tokens"),
        ({"max_completion_tokens": 1.5}, "invalid_type", "max_completion_tokens"),
        ({"max_completion_tokens": True}, "invalid_type", "max_completion_tokens"),
        ({"temperature": 0.2}, "unsupported_value", "temperature"),
        ({"temperature": 3}, "decimal_above_max_value", "temperature"),
        ({"top_p": 0.5}, "unsupported_value", "top_p"),
        ({"logprobs": True}, "unsupported_parameter", "logprobs"),
        ({"reasoning_effort": "minimal"}, "unsupported_value", "reasoning_effort"),
        ({"reasoning_effort": "some"}, "invalid_value", "reasoning_effort"),
        ({"stream": True}, "unsupported_value", "stream"),
        ({"n": 2}, "unsupported_value", "n"),
        ({"response_format": {"type": "json_object"}}, "invalid_value", "response_format.type"),
        ({"metadata": {"k": 5}}, "invalid_type", "metadata.k"),
        ({"metadata": {"k" * 65: ""}}, "string_above_max_length", "metadata"),
        ({"metadata": {"k": "v" * 513}}, "string_above_max_length", "metadata.k"),
        (
            {"metadata": dict.fromkeys("abcdefghijklmnopq", "")},
            "object_above_max_properties",
            "metadata",
        ),
    ],
)
def test_a_faulty_parameter_is_a_400_that_names_it(
    simulator: Simulator, change: dict[str, object], code: str, param: str
) -> None:
    url = f"{simulator.base_url}/chat/completions"
    answer = httpx2.post(url, json=chat(**change), headers={"Authorization": "Bearer sk-x"})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)


@pytest.mark.parametrize(
    ("part", "code", "param"),
    [
        (picture("photo.jpg"), "invalid_image_url", f"{AT}[0].image_url.url"),
        (picture("ftp://example.com/a.jpg"), "invalid_image_url", f"{AT}[0].image_url.url"),
        (picture("data:text/plain;base64,aGk="), "invalid_image_url", f"{AT}[0].image_url.url"),
        (picture("http://h/a b\n"), "invalid_image_url", f"{AT}[0].image_url.url"),
        (picture("http://h/\0"), "invalid_image_url", f"{AT}[0].image_url.url"),
        (picture("http://[::1"), "invalid_image_url", f"{AT}[0].image_url.url"),
        (picture(URL, "best"), "invalid_value", f"{AT}[0].image_url.detail"),
        ({"type": "image_url", "image_url": URL}, "invalid_type", f"{AT}[0].image_url"),
        ({"type": "image_url"}, "missing_required_parameter", f"{AT}[0].image_url"),
        ({"type": "image", "text": "Hi"}, "invalid_value", f"{AT}[0].type"),
        ({"text": "Hi"}, "missing_required_parameter", f"{AT}[0].type"),
        (text_part(colour="red"), "unknown_parameter", f"{AT}[0].colour"),
    ],
)
def test_a_faulty_part_is_a_400_that_names_it(
    client: OpenAI, part: dict[str, object], code: str, param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(**chat([part]))
    assert (error.value.code, error.value.param) == (code, param)


@pytest.mark.parametrize(
    "change",
    [
        {"max_tokens": 100, "temperature": 0.2},
        {"top_p": 0.5, "presence_penalty": 1},
    ],
)
def test_a_model_that_does_not_reason_takes_sampling_parameters(
    client: OpenAI, change: dict[str, Any]
) -> None:
    asked: dict[str, Any] = {
        "model": "gpt-4.1-mini",
        "messages": [{"role": "user", "content": "Hi"}],
        **change,
    }
    assert client.chat.completions.create(**asked).model == "gpt-4.1-mini"


def test_a_model_that_does_not_reason_takes_no_effort(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(**chat(model="gpt-4.1-mini"))
    assert (error.value.code, error.value.param) == ("unsupported_parameter", "reasoning_effort")


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"max_output_tokens": 8}, "integer_below_min_value", "max_output_tokens"),
        ({"max_tokens": 8}, "unknown_parameter", "max_tokens"),
        ({"reasoning": {"effort": "minimal"}}, "unsupported_value", "reasoning"),
        ({"input": 5}, "invalid_type", "input"),
        (
            {"input": [{"role": "user", "content": [{"type": "text"}]}]},
            "invalid_value",
            "input[0].content[0].type",
        ),
    ],
)
def test_the_responses_endpoint_is_as_strict(
    client: OpenAI, change: dict[str, object], code: str, param: str
) -> None:
    asked: dict[str, object] = {"model": "gpt-6-luna", "input": "Hi", **change}
    with pytest.raises(openai.BadRequestError) as error:
        client.post("/responses", body=asked, cast_to=object)
    assert (error.value.code, error.value.param) == (code, param)


def test_every_role_and_part_that_openai_describes_is_taken(client: OpenAI) -> None:
    messages = [
        {"role": "system", "content": "Be brief"},
        {"role": "developer", "content": [text_part()]},
        {"role": "user", "content": [text_part()], "name": "ann"},
        {"role": "assistant", "content": "Hello", "refusal": None},
        {"role": "user", "content": "Bye"},
    ]
    asked = chat(messages=messages, verbosity="low", service_tier="auto", seed=5, user="u")
    answer = client.chat.completions.create(**{**asked, "temperature": 1, "metadata": {"a": "b"}})
    assert answer.choices[0].message.content == "[xx] bYE"

"""Answers that came, and were paid, but are not what was asked."""

import openai
import pytest
from openai import OpenAI

from openai_simulator.server import Simulator
from tests.simulator.asking import answers, chat, line, lines, picture, run, text_of


@pytest.mark.parametrize(
    ("rule", "content", "reason"),
    [
        ({"do": "length", "fraction": 0.5}, "[xx]", "length"),
        ({"do": "content_filter"}, "", "content_filter"),
        ({"do": "empty_text"}, "", "stop"),
        ({"do": "text", "text": "Sure!"}, "Sure!", "stop"),
    ],
)
def test_a_direct_answer_can_be_spoilt(
    simulator: Simulator, client: OpenAI, rule: dict[str, object], content: str, reason: str
) -> None:
    simulator.rules.add({"on": "chat", **rule})
    choice = client.chat.completions.create(**chat("Dent")).choices[0]
    assert (choice.message.content, choice.finish_reason) == (content, reason)
    assert len(list(simulator.ledger)) == 1


def test_a_line_can_be_spoilt_alone_and_is_paid(simulator: Simulator, client: OpenAI) -> None:
    simulator.rules.add({"on": "line", "do": "empty_text", "match": {"custom_id": "^c1$"}})
    found = answers(client, run(client, lines(3)).output_file_id)
    assert [text_of(found[f"c{n}"]) == "" for n in range(3)] == [False, True, False]
    assert len(list(simulator.ledger)) == 3


def test_a_refusal_has_no_content(simulator: Simulator, client: OpenAI) -> None:
    simulator.rules.add({"on": ["chat", "responses"], "do": "refuse", "text": "No."})
    message = client.chat.completions.create(**chat()).choices[0].message
    assert (message.content, message.refusal) == (None, "No.")
    answer = client.responses.create(model="gpt-6-luna", input="Hi")
    assert answer.output[0].to_dict()["content"] == [{"type": "refusal", "refusal": "No."}]


def test_a_text_can_carry_script(simulator: Simulator, client: OpenAI) -> None:
    simulator.rules.add({"on": "chat", "do": "script_html"})
    text = str(client.chat.completions.create(**chat()).choices[0].message.content)
    assert "<script>" in text
    assert "onclick" in text


def test_the_reasoning_can_come_first(simulator: Simulator, client: OpenAI) -> None:
    simulator.rules.add({"on": "responses", "do": "reasoning_first"})
    answer = client.responses.create(model="gpt-6-luna", input="Dent")
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert answer.output_text == "[xx] dENT"


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "invalid_prompt"), (429, "rate_limit_exceeded"), (500, "server_error")],
)
def test_a_line_can_fail_and_is_not_billed(
    simulator: Simulator, client: OpenAI, status: int, code: str
) -> None:
    rule = {"on": "line", "do": "error", "status": status, "code": code, "times": 1}
    simulator.rules.add({**rule, "match": {"custom_id": "c1"}})
    batch = run(client, lines(3))
    error = answers(client, batch.error_file_id)["c1"]["response"]
    assert (error["status_code"], error["body"]["error"]["code"]) == (status, code)
    assert {entry["custom_id"] for entry in simulator.ledger} == {"c0", "c2"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("error", "Error while downloading http://h/dead.jpg."),
        ("timeout", "Timeout while downloading http://h/dead.jpg."),
        ("Failed to load {url}!", "Failed to load http://h/dead.jpg!"),
        ("unnamed", "Error while downloading file. Upstream status code: 400."),
    ],
)
def test_a_download_error_can_be_given_with_or_without_the_url(
    simulator: Simulator, client: OpenAI, words: str, message: str
) -> None:
    match = {"image_url": "dead"}
    rule = {"do": "image_error", "words": words, "url": "dead", "match": match}
    simulator.rules.add({"on": ["chat", "line"], **rule})
    asked = chat([picture("http://h/dead.jpg")])
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(**asked)
    assert (error.value.code, error.value.param) == ("invalid_image_url", "url")
    assert message in error.value.message
    batch = run(client, [line("a", body=asked)])
    [failed] = answers(client, batch.error_file_id).values()
    assert failed["response"]["body"]["error"]["message"] == message

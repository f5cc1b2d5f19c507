"""The ledger, and the rest of what a test can see and steer over HTTP."""

import json

import httpx2
import pytest
from openai import OpenAI

from openai_simulator.server import Simulator
from tests.simulator.asking import chat, line, lines, picture, run
from tests.simulator.client import sdk


def test_every_paid_request_is_in_the_ledger(simulator: Simulator, client: OpenAI) -> None:
    answer = client.chat.completions.create(**chat())
    batch = run(client, lines(2))
    direct, *rest = simulator.ledger
    assert answer.usage is not None
    assert (direct["kind"], direct["custom_id"], direct["model"]) == ("direct", None, "gpt-6-luna")
    assert direct["input_tokens"] == answer.usage.prompt_tokens
    assert direct["endpoint"] == "/v1/chat/completions"
    assert {(each["batch_id"], each["custom_id"]) for each in rest} == {
        (batch.id, "c0"),
        (batch.id, "c1"),
    }


def test_the_ledger_names_the_photos() -> None:
    with Simulator(fetch=False) as simulator, sdk(simulator) as client:
        client.chat.completions.create(**chat([picture("http://h/a.jpg")]))
        [entry] = simulator.ledger
    assert entry["image_urls"] == ["http://h/a.jpg"]


def test_what_was_refused_is_not_in_the_ledger(simulator: Simulator, client: OpenAI) -> None:
    run(client, [line("bad", body=chat(max_tokens=5))])
    assert list(simulator.ledger) == []


def test_a_line_paid_twice_is_told(simulator: Simulator, client: OpenAI) -> None:
    run(client, lines(3))
    run(client, [*lines(1), line("c1", body=chat("another body"))])
    summary = simulator.ledger.summary
    assert (summary["lines"], summary["custom_ids"]) == (5, 3)
    assert (summary["paid_twice"], summary["paid_twice_custom_ids"]) == (1, ["c0"])


def test_the_order_of_fields_does_not_hide_a_line_paid_twice(
    simulator: Simulator, client: OpenAI
) -> None:
    body = chat()
    run(client, [line("a", body=body)])
    run(client, [line("a", body=dict(reversed(body.items())))])
    assert simulator.ledger.summary["paid_twice"] == 1


def test_repeated_direct_calls_are_told_apart(simulator: Simulator, client: OpenAI) -> None:
    for text in ("a", "b", "a"):
        client.chat.completions.create(**chat(text))
    summary = simulator.ledger.summary
    assert (summary["direct_lines"], summary["repeated_direct"], summary["paid_twice"]) == (3, 1, 0)


def test_the_ledger_can_be_read_over_http_without_a_key(
    simulator: Simulator, client: OpenAI
) -> None:
    run(client, lines(2))
    entries = httpx2.get(f"{simulator.url}/simulator/ledger").text.splitlines()
    summary = httpx2.get(f"{simulator.url}/simulator/ledger/summary").json()
    assert [json.loads(entry)["kind"] for entry in entries] == ["batch", "batch"]
    assert summary == simulator.ledger.summary
    state = httpx2.get(f"{simulator.url}/simulator").json()
    assert (state["batches"], state["calls"]) == ({"completed": 1}, 0)


def test_requests_are_counted_by_call_and_outcome(simulator: Simulator, client: OpenAI) -> None:
    run(client, lines(1))
    httpx2.get(f"{simulator.base_url}/models")
    counts = httpx2.get(f"{simulator.url}/simulator/requests").json()
    assert counts["POST /v1/files"] == counts["POST /v1/batches"] == {"200": 1}
    assert counts["GET /v1/models"] == {"401": 1}


def test_rules_can_be_changed_over_http(simulator: Simulator, client: OpenAI) -> None:
    url = f"{simulator.url}/simulator/rules"
    rule = {"on": "chat", "do": "text", "text": "One", "times": 1}
    assert httpx2.post(url, json=rule).json() == {"ids": ["rule_1"]}
    assert httpx2.post(url, json=[rule, rule]).json() == {"ids": ["rule_2", "rule_3"]}
    assert client.chat.completions.create(**chat()).choices[0].message.content == "One"
    assert [each["fired"] for each in httpx2.get(url).json()] == [1, 1, 1]
    assert httpx2.delete(f"{url}/rule_1").status_code == 200
    assert httpx2.delete(f"{url}/rule_1").status_code == 404
    assert httpx2.delete(url).json() == {"deleted": True}
    assert httpx2.get(url).json() == []
    assert len(httpx2.get(f"{simulator.url}/simulator/firings").json()) == 3


@pytest.mark.parametrize("body", [{"on": "chat", "do": "dance"}, [5], {"on": "chat"}])
def test_a_faulty_rule_is_a_400_that_says_why(simulator: Simulator, body: object) -> None:
    answer = httpx2.post(f"{simulator.url}/simulator/rules", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_rule")


def test_a_list_of_rules_that_is_no_json_is_a_400(simulator: Simulator) -> None:
    assert httpx2.post(f"{simulator.url}/simulator/rules", content=b"[").status_code == 400

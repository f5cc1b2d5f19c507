"""Output files that are not what was done; everything in them is paid all the same."""

import json

import pytest
from openai import OpenAI

from openai_simulator.server import Simulator
from tests.simulator.asking import answers, chat, line, lines, raw_lines, run
from tests.simulator.client import sdk


def output(simulator: Simulator, client: OpenAI, do: str, count: int = 3) -> list[bytes]:
    """The raw lines when rule `do` spoils that of c1."""
    simulator.rules.add({"on": "line", "do": do, "match": {"custom_id": "^c1$"}})
    batch = run(client, lines(count))
    assert len(list(simulator.ledger)) == count
    return raw_lines(client, batch.output_file_id)


def custom_ids(raw: list[bytes]) -> list[str]:
    return sorted(json.loads(each)["custom_id"] for each in raw)


@pytest.mark.parametrize(
    ("do", "ids"),
    [
        ("missing", ["c0", "c2"]),
        ("duplicate", ["c0", "c1", "c1", "c2"]),
        ("unknown_custom_id", ["c0", "c2", "unknown-c1"]),
    ],
)
def test_a_line_can_be_missing_doubled_or_a_stranger_s(
    simulator: Simulator, client: OpenAI, do: str, ids: list[str]
) -> None:
    assert custom_ids(output(simulator, client, do)) == ids


def test_a_line_can_be_no_json(simulator: Simulator, client: OpenAI) -> None:
    raw = output(simulator, client, "malformed")
    assert len(raw) == 3
    with pytest.raises(json.JSONDecodeError):
        custom_ids(raw)


def test_the_end_of_a_file_can_be_cut_off(simulator: Simulator, client: OpenAI) -> None:
    raw = output(simulator, client, "truncated")
    assert custom_ids(raw[:2]) == ["c0", "c2"]
    assert raw[2].startswith(b'{"id":"batch_req_')
    assert not raw[2].endswith(b"\n")


def test_the_body_of_a_line_can_be_a_string(simulator: Simulator, client: OpenAI) -> None:
    found = {
        line["custom_id"]: line
        for line in map(json.loads, output(simulator, client, "body_as_string"))
    }
    assert json.loads(found["c1"]["response"]["body"])["object"] == "chat.completion"
    assert isinstance(found["c0"]["response"]["body"], dict)


def test_an_error_line_can_be_missing_too(simulator: Simulator, client: OpenAI) -> None:
    simulator.rules.add({"on": "line", "do": "missing", "match": {"custom_id": "bad1"}})
    faulty = [line(f"bad{number}", body=chat(max_tokens=1)) for number in range(2)]
    batch = run(client, faulty)
    assert list(answers(client, batch.error_file_id)) == ["bad0"]


def shuffled_ids(seed: int) -> list[str]:
    rules = [{"on": "batch", "do": "shuffle"}]
    with Simulator(batch_seconds=0, seed=seed, rules=rules) as simulator, sdk(simulator) as client:
        return list(answers(client, run(client, lines(40)).output_file_id))


def test_the_order_of_a_shuffled_file_follows_from_the_seed() -> None:
    first, again, other = shuffled_ids(7), shuffled_ids(7), shuffled_ids(8)
    assert first == again != other
    assert sorted(first) == sorted(f"c{number}" for number in range(40))

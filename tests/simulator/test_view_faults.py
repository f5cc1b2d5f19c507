"""Batches that are well but shown otherwise."""

import openai
import pytest
from openai import OpenAI

from openai_simulator.server import Simulator
from tests.simulator.asking import lines, raw_lines, reached, run, submit
from tests.simulator.client import sdk

VIEWS = ["create", "retrieve", "list", "cancel"]


def raw_batch(simulator: Simulator, batch_id: str) -> dict[str, object]:
    """As sent: these answers are not what OpenAI describes, so the judge is left out."""
    with openai.OpenAI(api_key="sk-x", base_url=simulator.base_url, max_retries=0) as client:
        answer = client.batches.with_raw_response.retrieve(batch_id)
        document = answer.http_response.json()
        assert isinstance(document, dict)
        return document


@pytest.mark.parametrize(
    ("rule", "field", "value"),
    [
        ({"do": "unknown_status", "status": "resting"}, "status", "resting"),
        ({"do": "capital_status"}, "status", "Completed"),
        ({"do": "null_counts"}, "request_counts", None),
        (
            {"do": "false_counts", "total": 9},
            "request_counts",
            {"total": 9, "completed": 0, "failed": 0},
        ),
        ({"do": "blank_file_ids"}, "error_file_id", ""),
    ],
)
def test_a_batch_can_be_shown_otherwise(
    simulator: Simulator, client: OpenAI, rule: dict[str, object], field: str, value: object
) -> None:
    batch = run(client, lines(1))
    simulator.rules.add({"on": VIEWS, **rule, "times": 1})
    assert raw_batch(simulator, batch.id)[field] == value
    assert raw_batch(simulator, batch.id)[field] != value


def test_metadata_can_be_left_out(simulator: Simulator, client: OpenAI) -> None:
    batch = run(client, lines(1), metadata={"a": "b"})
    simulator.rules.add({"on": "retrieve", "do": "no_metadata"})
    assert "metadata" not in raw_batch(simulator, batch.id)


def test_openai_s_clock_can_be_off(simulator: Simulator, client: OpenAI) -> None:
    batch = run(client, lines(1))
    simulator.rules.add({"on": "retrieve", "do": "shift_clock", "seconds": -600})
    shifted = client.batches.retrieve(batch.id)
    assert shifted.created_at == batch.created_at - 600
    assert (shifted.failed_at, batch.failed_at) == (None, None)


def test_a_list_is_changed_in_every_entry(simulator: Simulator, client: OpenAI) -> None:
    for _ in range(2):
        run(client, lines(1))
    simulator.rules.add({"on": "list", "do": "null_counts"})
    assert [batch.request_counts for batch in client.batches.list()] == [None, None]


def test_a_batch_can_vanish(simulator: Simulator, client: OpenAI) -> None:
    simulator.rules.add({"on": "batch", "do": "vanish"})
    batch = submit(client, lines(1))
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve(batch.id)
    assert list(client.batches.list()) == []
    assert list(simulator.ledger) == []


def test_a_new_batch_can_be_missing_from_the_list(simulator: Simulator, client: OpenAI) -> None:
    batch = run(client, lines(1))
    simulator.rules.add({"on": "list", "do": "empty_list", "times": 1})
    assert list(client.batches.list()) == []
    assert [each.id for each in client.batches.list()] == [batch.id]


def test_a_batch_can_vanish_for_one_poll(simulator: Simulator, client: OpenAI) -> None:
    batch = run(client, lines(1))
    simulator.rules.add({"on": "retrieve", "do": "status", "status": 404, "times": 1})
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve(batch.id)
    assert client.batches.retrieve(batch.id).status == "completed"


@pytest.mark.parametrize("code", ["invalid_json_line", "model_not_found", "duplicate_custom_id"])
def test_a_batch_can_fail_for_any_reason(simulator: Simulator, client: OpenAI, code: str) -> None:
    simulator.rules.add({"on": "batch", "do": "fail", "code": code, "message": "No.", "line": 2})
    batch = run(client, lines(2))
    assert batch.errors is not None
    [error] = batch.errors.data or []
    assert (batch.status, error.code, error.message, error.line) == ("failed", code, "No.", 2)


def test_the_token_limit_can_be_reached_without_one(simulator: Simulator, client: OpenAI) -> None:
    simulator.rules.add({"on": "batch", "do": "token_limit", "limit": 900_000, "times": 1})
    batch = run(client, lines(1))
    assert batch.errors is not None
    [error] = batch.errors.data or []
    assert error.code == "token_limit_exceeded"
    assert "Limit: 900,000 enqueued tokens." in str(error.message)
    assert run(client, lines(1)).status == "completed"


def test_a_batch_can_take_longer_than_others(simulator: Simulator, client: OpenAI) -> None:
    rule = {"on": "batch", "do": "last", "seconds": 3600, "match": {"body": '"slow"'}}
    simulator.rules.add(rule)
    slow = submit(client, lines(1), metadata={"pace": "slow"})
    assert run(client, lines(1)).status == "completed"
    assert reached(client, slow, "in_progress").completed_at is None


def test_a_stalled_batch_goes_on_when_its_rule_is_taken_back() -> None:
    stall = {"on": "batch", "do": "stall", "fraction": 1.0}
    with Simulator(batch_seconds=0, rules=[stall]) as simulator, sdk(simulator) as client:
        batch = submit(client, lines(2))
        reached(client, batch, "in_progress")
        simulator.rules.clear()
        assert reached(client, batch, "completed").output_file_id


def test_a_completed_batch_can_lack_its_output(simulator: Simulator, client: OpenAI) -> None:
    simulator.rules.add({"on": "batch", "do": "no_output"})
    batch = run(client, lines(2))
    assert (batch.status, batch.output_file_id, batch.error_file_id) == ("completed", None, None)
    assert len(list(simulator.ledger)) == 2


def test_an_output_file_can_be_lost(simulator: Simulator, client: OpenAI) -> None:
    simulator.rules.add({"on": "batch", "do": "lost_output"})
    batch = run(client, lines(2))
    with pytest.raises(openai.NotFoundError):
        raw_lines(client, batch.output_file_id)


def test_an_error_file_can_be_empty_instead_of_absent(simulator: Simulator, client: OpenAI) -> None:
    simulator.rules.add({"on": "batch", "do": "empty_error_file"})
    batch = run(client, lines(1))
    assert raw_lines(client, batch.error_file_id) == []

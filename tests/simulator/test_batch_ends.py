"""Batches that end before their lines do: cancelled, expired, or over the token limit."""

import openai
import pytest
from openai import OpenAI

from openai_simulator.server import Simulator
from tests.simulator.asking import answers, ended, line, lines, reached, run, submit
from tests.simulator.client import sdk
from tests.waiting import until


def error_codes(client: OpenAI, file_id: str | None) -> dict[str, str]:
    return {key: each["error"]["code"] for key, each in answers(client, file_id).items()}


def test_a_cancelled_batch_keeps_what_was_done(simulator: Simulator, client: OpenAI) -> None:
    simulator.rules.add({"on": "batch", "do": "stall", "fraction": 0.5})
    batch = submit(client, lines(4))
    until(lambda: len(list(simulator.ledger)) == 2, what="two lines billed")
    assert client.batches.cancel(batch.id).status in {"cancelling", "cancelled"}
    cancelled = reached(client, batch, "cancelled")
    assert set(answers(client, cancelled.output_file_id)) == {"c0", "c1"}
    expected = {"c2": "batch_cancelled", "c3": "batch_cancelled"}
    assert error_codes(client, cancelled.error_file_id) == expected
    assert cancelled.cancelling_at
    assert cancelled.cancelled_at


def test_cancelling_takes_a_moment_and_can_be_asked_for_again() -> None:
    rule = {"on": "batch", "do": "stall"}
    with Simulator(cancel_seconds=0.2, rules=[rule]) as simulator, sdk(simulator) as client:
        batch = submit(client, lines(2))
        reached(client, batch, "in_progress")
        assert client.batches.cancel(batch.id).status == "cancelling"
        assert client.batches.cancel(batch.id).status == "cancelling"
        assert reached(client, batch, "cancelled").request_counts


def test_a_batch_cancelled_while_validating_does_no_line(
    simulator: Simulator, client: OpenAI
) -> None:
    simulator.rules.add({"on": "batch", "do": "slow_validation", "seconds": 30})
    batch = submit(client, lines(2))
    client.batches.cancel(batch.id)
    cancelled = reached(client, batch, "cancelled")
    assert cancelled.output_file_id is None
    assert set(error_codes(client, cancelled.error_file_id)) == {"c0", "c1"}
    assert list(simulator.ledger) == []


def test_a_faulty_batch_cancelled_while_validating_fails(
    simulator: Simulator, client: OpenAI
) -> None:
    simulator.rules.add({"on": "batch", "do": "slow_validation", "seconds": 30})
    batch = submit(client, [line("a"), line("a")])
    client.batches.cancel(batch.id)
    assert ended(client, batch).status == "failed"


def test_a_batch_that_has_ended_cannot_be_cancelled(client: OpenAI) -> None:
    batch = run(client, lines(1))
    with pytest.raises(openai.ConflictError, match="Cannot cancel a batch with status 'completed'"):
        client.batches.cancel(batch.id)


@pytest.mark.parametrize(("do", "status"), [("expire", "expired"), ("cancel_batch", "cancelled")])
def test_openai_can_end_a_batch_by_itself(
    simulator: Simulator, client: OpenAI, do: str, status: str
) -> None:
    simulator.rules.add({"on": "batch", "do": do, "fraction": 0.25})
    batch = run(client, lines(4))
    assert batch.status == status
    assert set(answers(client, batch.output_file_id)) == {"c0"}
    assert set(error_codes(client, batch.error_file_id).values()) == {f"batch_{status}"}
    assert len(list(simulator.ledger)) == 1


def test_a_batch_that_expired_at_once_has_no_output(simulator: Simulator, client: OpenAI) -> None:
    simulator.rules.add({"on": "batch", "do": "expire", "fraction": 0.0})
    batch = run(client, lines(2))
    assert (batch.status, batch.output_file_id) == ("expired", None)
    assert len(answers(client, batch.error_file_id)) == 2


def test_tokens_over_the_limit_fail_the_batch_in_openai_s_words() -> None:
    with (
        Simulator(batch_seconds=0, enqueued_tokens={"gpt-6-luna": 8}) as simulator,
        sdk(simulator) as client,
    ):
        batch = run(client, lines(3))
    assert batch.errors is not None
    error = (batch.errors.data or [])[0]
    assert (batch.status, error.code) == ("failed", "token_limit_exceeded")
    assert "Limit: 8 enqueued tokens" in str(error.message)


def test_tokens_are_free_again_when_a_batch_ends() -> None:
    stall = {"on": "batch", "do": "stall", "times": 1}
    with (
        Simulator(batch_seconds=0, enqueued_tokens={"gpt-6-luna": 17}, rules=[stall]) as simulator,
        sdk(simulator) as client,
    ):
        first = submit(client, lines(3))
        reached(client, first, "in_progress")
        assert run(client, lines(3)).status == "failed"
        simulator.rules.clear()
        ended(client, first)
        assert run(client, lines(3)).status == "completed"


def test_lines_are_spread_over_the_time_a_batch_takes() -> None:
    with Simulator(batch_seconds=3600) as simulator, sdk(simulator) as client:
        batch = reached(client, submit(client, lines(2)), "in_progress")
        assert batch.request_counts is not None
        assert (batch.request_counts.total, batch.request_counts.completed) == (2, 0)


def test_a_line_can_be_in_neither_file_after_a_cancel(simulator: Simulator, client: OpenAI) -> None:
    simulator.rules.add({"on": "batch", "do": "cancel_batch"})
    simulator.rules.add({"on": "batch", "do": "forget_undone"})
    batch = run(client, lines(4))
    assert set(answers(client, batch.output_file_id)) == {"c0", "c1"}
    assert batch.error_file_id is None

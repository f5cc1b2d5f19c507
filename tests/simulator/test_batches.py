"""Batches that go well."""

import openai
import pytest
from openai import OpenAI

from openai_simulator.server import Simulator
from tests.simulator.asking import (
    answers,
    chat,
    create,
    ended,
    jsonl,
    line,
    lines,
    reached,
    run,
    submit,
    text_of,
    upload,
)
from tests.simulator.client import sdk


def test_every_line_is_answered_as_a_direct_call_would_be(client: OpenAI) -> None:
    batch = run(client, [line("a", body=chat("Dent")), line("b", body=chat("Scratch"))])
    found = answers(client, batch.output_file_id)
    assert (text_of(found["a"]), text_of(found["b"])) == ("[xx] dENT", "[xx] sCRATCH")
    assert found["a"]["response"]["body"]["system_fingerprint"] == "simulator"
    assert batch.error_file_id is None


def test_a_completed_batch_states_its_times_counts_and_usage(client: OpenAI) -> None:
    batch = run(client, lines(3), metadata={"ours": "7"})
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert batch.usage is not None
    assert (batch.request_counts.total, batch.request_counts.completed) == (3, 3)
    assert (batch.model, batch.metadata) == ("gpt-6-luna", {"ours": "7"})
    assert batch.in_progress_at
    assert batch.finalizing_at
    assert batch.completed_at
    assert batch.usage.total_tokens > 0


def test_a_new_batch_is_validating_with_counts_of_nought(client: OpenAI) -> None:
    batch = submit(client, lines(2))
    assert batch.status == "validating"
    assert batch.request_counts is not None
    assert (batch.request_counts.total, batch.output_file_id) == (0, None)
    assert batch.expires_at == batch.created_at + 24 * 3600
    ended(client, batch)


def test_a_faulty_line_goes_to_the_error_file_alone(client: OpenAI) -> None:
    batch = run(client, [line("good"), line("bad", body=chat(max_tokens=5))])
    error = answers(client, batch.error_file_id)["bad"]["response"]
    assert (error["status_code"], error["body"]["error"]["code"]) == (400, "unsupported_parameter")
    assert list(answers(client, batch.output_file_id)) == ["good"]
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.failed) == (1, 1)


def test_a_batch_of_nothing_but_errors_has_no_output_file(client: OpenAI) -> None:
    batch = run(client, [line("bad", body=chat(max_tokens=5))])
    assert (batch.status, batch.output_file_id) == ("completed", None)
    assert batch.error_file_id


def test_responses_go_in_batches_too(client: OpenAI) -> None:
    asked = {"model": "gpt-6-luna", "input": "Dent"}
    requests = [line("a", url="/v1/responses", body=asked)]
    batch = run(client, requests, endpoint="/v1/responses")
    found = answers(client, batch.output_file_id, "/v1/responses")
    assert found["a"]["response"]["body"]["output"][0]["content"][0]["text"] == "[xx] dENT"


def test_batches_are_listed_newest_first_and_page_by_page(client: OpenAI) -> None:
    ids = [run(client, lines(1)).id for _ in range(4)]
    assert [batch.id for batch in client.batches.list(limit=3)] == ids[::-1]
    assert [batch.id for batch in client.batches.list(after=ids[1])] == [ids[0]]
    with pytest.raises(openai.BadRequestError):
        client.batches.list(limit=101)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"completion_window": "1h"}, "completion_window"),
        ({"endpoint": "/v1/embeddings"}, "endpoint"),
        ({"metadata": {"k": "v" * 513}}, "metadata.k"),
        ({"extra_body": {"colour": 1}}, "colour"),
        (
            {"output_expires_after": {"anchor": "created_at", "seconds": 1}},
            "output_expires_after.seconds",
        ),
    ],
)
def test_a_faulty_creation_is_a_400_that_names_the_fault(
    client: OpenAI, change: dict[str, object], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        submit(client, lines(1), **change)
    assert error.value.param == param
    assert list(client.batches.list()) == []


def test_a_batch_needs_a_file_uploaded_for_batches(client: OpenAI) -> None:
    file = client.files.create(file=("a.jsonl", jsonl(lines(1))), purpose="user_data")
    with pytest.raises(openai.BadRequestError) as error:
        create(client, file.id)
    assert error.value.param == "input_file_id"


def test_a_deleted_file_fences_off_a_creation_that_comes_late(
    simulator: Simulator, client: OpenAI
) -> None:
    file_id = upload(client, jsonl(lines(1)))
    client.files.delete(file_id)
    with pytest.raises(openai.BadRequestError) as error:
        create(client, file_id)
    assert error.value.param == "input_file_id"
    assert list(client.batches.list()) == []
    assert list(simulator.ledger) == []


def test_a_file_deleted_while_validating_fails_the_batch(
    simulator: Simulator, client: OpenAI
) -> None:
    simulator.rules.add({"on": "batch", "do": "slow_validation", "seconds": 0.1})
    batch = submit(client, lines(1))
    client.files.delete(batch.input_file_id)
    failed = ended(client, batch)
    assert failed.status == "failed"
    assert list(simulator.ledger) == []


def test_a_file_deleted_later_does_not_disturb_the_batch(
    simulator: Simulator, client: OpenAI
) -> None:
    rule = simulator.rules.add({"on": "batch", "do": "stall", "fraction": 0.5})
    batch = submit(client, lines(4))
    reached(client, batch, "in_progress")
    client.files.delete(batch.input_file_id)
    simulator.rules.remove(rule)
    assert len(answers(client, ended(client, batch).output_file_id)) == 4


def test_output_files_are_kept_as_long_as_was_asked_for(client: OpenAI) -> None:
    wanted = {"anchor": "created_at", "seconds": 7_200}
    batch = run(client, lines(1), output_expires_after=wanted)
    assert batch.output_file_id is not None
    file = client.files.retrieve(batch.output_file_id)
    assert (file.purpose, file.expires_at) == ("batch_output", file.created_at + 7_200)


def test_only_so_many_batches_are_taken_an_hour() -> None:
    with (
        Simulator(batch_seconds=0, batches_an_hour=2) as simulator,
        sdk(simulator) as client,
    ):
        file_ids = [run(client, lines(1)).input_file_id for _ in range(2)]
        with pytest.raises(openai.RateLimitError) as error:
            create(client, file_ids[0])
    assert error.value.code == "rate_limit_exceeded"


def test_an_unknown_batch_is_a_404(client: OpenAI) -> None:
    for call in (client.batches.retrieve, client.batches.cancel):
        with pytest.raises(openai.NotFoundError, match="No batch found with id 'batch_1'"):
            call("batch_1")

"""What is wrong with an input file fails the whole batch, and nothing is billed."""

import pytest
from openai import OpenAI

from openai_simulator.batch_input import InputCheck
from openai_simulator.server import Simulator
from tests.simulator.asking import CHAT, chat, create, ended, jsonl, line, lines, upload

GOOD = line("good")


def without(name: str) -> dict[str, object]:
    return {key: value for key, value in line("x").items() if key != name}


@pytest.mark.parametrize(
    ("content", "code", "line_number", "param"),
    [
        (b"", "empty_file", None, None),
        (jsonl([GOOD]) + b"{\n", "invalid_json_line", 2, None),
        (jsonl([GOOD]) + b"\n", "invalid_json_line", 2, None),
        (b"[1]\n", "invalid_json_line", 1, None),
        (jsonl([without("custom_id")]), "missing_required_parameter", 1, "custom_id"),
        (jsonl([without("method")]), "missing_required_parameter", 1, "method"),
        (jsonl([without("url")]), "missing_required_parameter", 1, "url"),
        (jsonl([without("body")]), "missing_required_parameter", 1, "body"),
        (jsonl([line("x", body={"messages": []})]), "missing_required_parameter", 1, "body.model"),
        (jsonl([line("x", body="Hi")]), "missing_required_parameter", 1, "body.model"),
        (jsonl([GOOD, GOOD]), "duplicate_custom_id", 2, "custom_id"),
        (jsonl([line(5)]), "invalid_request", 1, "custom_id"),  # type: ignore[arg-type]
        (jsonl([line("x", method="GET")]), "invalid_request", 1, "method"),
        (jsonl([line("x", url="/v1/responses")]), "invalid_url", 1, "url"),
        (jsonl([line("x", colour="red")]), "invalid_request", 1, "colour"),
        (jsonl([GOOD, line("x", body=chat(model="gpt-4.1"))]), "mismatched_model", 2, "body.model"),
        (jsonl([line("x", body=chat(model="o4-mini"))]), "model_not_found", 1, "body.model"),
        (jsonl([line("x", body=chat(stream=True))]), "streaming_unsupported", 1, "body.stream"),
    ],
)
def test_a_faulty_file_fails_the_batch(
    simulator: Simulator,
    client: OpenAI,
    content: bytes,
    code: str,
    line_number: int | None,
    param: str | None,
) -> None:
    batch = ended(client, create(client, upload(client, content)))
    assert batch.errors is not None
    error = (batch.errors.data or [])[0]
    assert (batch.status, error.code, error.line, error.param) == (
        "failed",
        code,
        line_number,
        param,
    )
    assert batch.request_counts is not None
    assert (batch.request_counts.total, batch.output_file_id, batch.error_file_id) == (
        0,
        None,
        None,
    )
    assert list(simulator.ledger) == []


def test_every_fault_is_listed_with_its_line(client: OpenAI) -> None:
    content = jsonl([GOOD, without("url"), GOOD, line("x", method="GET")])
    batch = ended(client, create(client, upload(client, content)))
    assert batch.errors is not None
    assert [error.line for error in batch.errors.data or []] == [2, 3, 4]


def test_a_file_of_more_than_50_000_lines_is_refused(tmp_path) -> None:
    path = tmp_path / "input.jsonl"
    path.write_bytes(jsonl(lines(50_001)))
    check = InputCheck(CHAT, count_tokens=False)
    check.read(path)
    assert [fault["code"] for fault in check.faults] == ["too_many_tasks"]


def test_a_file_of_more_than_200_mib_is_refused(tmp_path) -> None:
    path = tmp_path / "input.jsonl"
    with path.open("wb") as file:
        file.truncate(200 * 1024 * 1024 + 1)
    check = InputCheck(CHAT, count_tokens=False)
    check.read(path)
    assert [fault["code"] for fault in check.faults] == ["invalid_request"]


def test_a_full_file_passes_and_its_tokens_are_counted(tmp_path) -> None:
    path = tmp_path / "input.jsonl"
    path.write_bytes(jsonl([line(f"c{n}", body=chat("abcd")) for n in range(50_000)]))
    check = InputCheck(CHAT, count_tokens=True)
    check.read(path)
    assert (check.faults, check.total, check.model) == ([], 50_000, "gpt-6-luna")
    assert check.tokens == 50_000

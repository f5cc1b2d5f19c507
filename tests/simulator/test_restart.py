"""What --state keeps: files, batches and the ledger survive a clean end and kill -9."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from openai import OpenAI

from openai_simulator.journal import Journal
from openai_simulator.server import Simulator
from tests.simulator.asking import answers, ended, jsonl, lines, reached, run, submit, upload
from tests.simulator.client import sdk
from tests.waiting import until


@contextmanager
def process(state: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The simulator as a process of its own, and its base URL."""
    command = [sys.executable, "-m", "openai_simulator", "--port", "0", "--state", str(state)]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield running, running.stdout.readline().split()[-1]
        finally:
            running.kill()


def billed(state: Path) -> list[str]:
    ledger = (state / "ledger.jsonl").read_bytes().splitlines()
    return [json.loads(entry)["custom_id"] for entry in ledger]


def test_files_and_batches_outlive_the_simulator(tmp_path: Path) -> None:
    with Simulator(state=tmp_path, batch_seconds=0) as simulator, sdk(simulator) as client:
        before = run(client, lines(2), metadata={"ours": "7"})
    with Simulator(state=tmp_path, batch_seconds=0) as simulator, sdk(simulator) as client:
        assert client.batches.retrieve(before.id) == before
        assert set(answers(client, before.output_file_id)) == {"c0", "c1"}
        newest = run(client, lines(1))
        assert [batch.id for batch in client.batches.list()] == [newest.id, before.id]
        assert simulator.ledger.summary["lines"] == 3


def test_a_batch_goes_on_where_it_was(tmp_path: Path) -> None:
    stall = {"on": "batch", "do": "stall", "fraction": 0.5}
    with Simulator(state=tmp_path, batch_seconds=0, rules=[stall]) as simulator:
        with sdk(simulator) as client:
            batch = submit(client, lines(6))
        until(lambda: len(list(simulator.ledger)) == 3, what="half of the lines billed")
    with Simulator(state=tmp_path, batch_seconds=0) as simulator, sdk(simulator) as client:
        found = ended(client, batch)
        assert found.request_counts is not None
        assert (found.status, found.request_counts.completed) == ("completed", 6)
        assert len(answers(client, found.output_file_id)) == 6
        assert (simulator.ledger.summary["lines"], simulator.ledger.summary["paid_twice"]) == (6, 0)


def test_cancelling_goes_on_too(tmp_path: Path) -> None:
    stall = {"on": "batch", "do": "stall"}
    with (
        Simulator(state=tmp_path, cancel_seconds=60, rules=[stall]) as simulator,
        sdk(simulator) as client,
    ):
        batch = submit(client, lines(2))
        reached(client, batch, "in_progress")
        client.batches.cancel(batch.id)
    with Simulator(state=tmp_path, cancel_seconds=0) as simulator, sdk(simulator) as client:
        assert ended(client, batch).status == "cancelled"


def test_a_line_that_only_the_work_log_knows_is_billed_on_restart(tmp_path: Path) -> None:
    stall = {"on": "batch", "do": "stall"}
    with Simulator(state=tmp_path, batch_seconds=0, rules=[stall]) as simulator:
        with sdk(simulator) as client:
            batch = submit(client, lines(4))
        until(lambda: len(list(simulator.ledger)) == 2, what="half of the lines billed")
    ledger = tmp_path / "ledger.jsonl"
    first, second = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(first + second[:30])  # torn by a kill
    with Simulator(state=tmp_path, batch_seconds=0) as simulator, sdk(simulator) as client:
        ended(client, batch)
    assert sorted(billed(tmp_path)) == ["c0", "c1", "c2", "c3"]


def test_kill_9_loses_nothing_billed_and_bills_nothing_twice(tmp_path: Path) -> None:
    with process(tmp_path, "--batch-seconds", "2") as (running, url), client_of(url) as client:
        batch = submit(client, lines(200))
        until(lambda: len(billed(tmp_path)) > 50, what="a quarter of the lines billed")
        running.kill()
    before = billed(tmp_path)
    with process(tmp_path, "--batch-seconds", "0") as (_, url), client_of(url) as client:
        found = ended(client, batch)
        assert len(answers(client, found.output_file_id)) == 200
    assert len(before) < 200
    assert sorted(billed(tmp_path)) == sorted(f"c{number}" for number in range(200))


def client_of(url: str) -> OpenAI:
    return OpenAI(api_key="sk-x", base_url=url, max_retries=0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    with process(tmp_path) as (running, url), client_of(url) as client:
        submit(client, lines(2))
        running.send_signal(number)
        assert running.wait(10) == 0


def test_an_upload_torn_by_a_kill_leaves_nothing(tmp_path: Path) -> None:
    torn = tmp_path / "files" / "uploads" / "torn"
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b"half")
    with Simulator(state=tmp_path) as simulator, sdk(simulator) as client:
        assert list(client.files.list()) == []
        assert upload(client, jsonl(lines(1)))
    assert not torn.exists()


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (b"", 0),
        (b'{"a":1}\n', 1),
        (b'{"a":1}\n{"a":', 1),
        (b'{"a"', 0),
        (b"{}\n" + b"x" * 200_000, 1),
    ],
)
def test_a_torn_line_is_dropped_when_a_journal_is_opened(
    tmp_path: Path, content: bytes, kept: int
) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(content)
    journal = Journal(path)
    journal.append({"b": 2})
    entries = list(journal)
    journal.close()
    assert (len(entries), entries[-1]) == (kept + 1, {"b": 2})

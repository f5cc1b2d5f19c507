"""Output and error file of a batch that has ended, written from its work log."""

import hashlib
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from openai_simulator.batch_lines import undone_line
from openai_simulator.batch_record import BatchRecord
from openai_simulator.files import OUTPUT_PURPOSE, Files
from openai_simulator.line_actions import encode, written
from openai_simulator.parts import Parts

Entry = dict[str, Any]


@dataclass(frozen=True)
class BatchFolder:
    """The files of one batch: its record, its input (a link of its own), its work log."""

    path: Path

    @property
    def record(self) -> Path:
        return self.path / "batch.json"

    @property
    def input(self) -> Path:
        return self.path / "input.jsonl"

    @property
    def log(self) -> Path:
        return self.path / "work.jsonl"


def write_files(record: BatchRecord, folder: BatchFolder, status: str, parts: Parts) -> None:
    """Make both files and name them in `record`; a file that would be empty has no id."""
    output, errors = folder.path / "output.new", folder.path / "errors.new"
    entries = _entries(folder.log, record, parts.settings.seed)
    with output.open("wb") as good, errors.open("wb") as bad:
        done = _write_done(entries, good, bad)
        if status in {"expired", "cancelled"} and not record.course.undone_forgotten:
            bad.writelines(_undone(folder.input, done, status))
    _adopt(record, output, errors, parts.files)


def _write_done(entries: Iterable[Entry], good: IO[bytes], bad: IO[bytes]) -> set[int]:
    """Pieces without a line end come last: half a line can only be the end of a file."""
    tails = []
    done = set()
    for entry in entries:
        done.add(entry["number"])
        file = bad if entry["bill"] is None else good
        for piece in written(entry["line"], entry["written"]):
            if piece.endswith(b"\n"):
                file.write(piece)
            else:
                tails.append((file, piece))
    for file, piece in tails:
        file.write(piece)
    return done


def _entries(log: Path, record: BatchRecord, seed: int) -> Iterator[Entry]:
    """The log's entries in the order of the files, one in memory at a time."""
    with log.open("rb") as lines:
        for start in _shuffled(lines, record, seed) if record.course.shuffled else _starts(lines):
            lines.seek(start)
            yield json.loads(lines.readline())


def _starts(lines: IO[bytes]) -> list[int]:
    starts = [0]
    starts.extend(lines.tell() for _ in iter(lines.readline, b""))
    return starts[:-1]


def _shuffled(lines: IO[bytes], record: BatchRecord, seed: int) -> list[int]:
    """An order that follows from the seed, whatever order the threads did the lines in."""
    by_number = {}
    for start in _starts(lines):
        lines.seek(start)
        by_number[json.loads(lines.readline())["number"]] = start
    order = [by_number[number] for number in sorted(by_number)]
    random.Random(f"{seed}/{record.serial}").shuffle(order)  # noqa: S311
    return order


def _undone(path: Path, done: set[int], status: str) -> Iterator[bytes]:
    with path.open("rb") as lines:
        for number, raw in enumerate(lines):
            if number not in done:
                yield encode(undone_line(json.loads(raw)["custom_id"], status))


def _adopt(record: BatchRecord, output: Path, errors: Path, files: Files) -> None:
    course = record.course
    if output.stat().st_size and not course.no_output:
        record.output_file_id = _add(record, output, "output", files)
    if errors.stat().st_size or course.empty_error_file:
        record.error_file_id = _add(record, errors, "error", files)
    if course.lost_output and record.output_file_id:
        files.delete(record.output_file_id)


def _add(record: BatchRecord, path: Path, kind: str, files: Files) -> str:
    """The id follows from the batch's, so that doing this again after a kill adds no file."""
    ident = hashlib.sha256(f"{record.id}/{kind}".encode()).hexdigest()[:24]
    return files.add(
        path,
        filename=f"{record.id}_{kind}.jsonl",
        purpose=OUTPUT_PURPOSE,
        seconds=record.output_seconds,
        ident=f"file-{ident}",
    ).id

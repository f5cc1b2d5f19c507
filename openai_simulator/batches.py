"""All batches: created, listed, cancelled, and taken up again after a restart."""

import itertools
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Final

from openai_simulator.actions import Subject
from openai_simulator.batch_actions import BATCHES, Course
from openai_simulator.batch_input import Fault, InputCheck, token_limit_fault
from openai_simulator.batch_output import BatchFolder
from openai_simulator.batch_record import BatchRecord
from openai_simulator.batch_run import BatchRun
from openai_simulator.errors import ApiError, invalid
from openai_simulator.files import DAYS_30
from openai_simulator.parts import Parts
from openai_simulator.shapes import BATCH

AN_HOUR: Final = 3_600


class Batches:
    def __init__(self, folder: Path, parts: Parts) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._parts = parts
        self._lock = Lock()
        self._admission = Lock()
        self._pool = ThreadPoolExecutor(parts.settings.workers, thread_name_prefix="line")
        self._threads: list[Thread] = []
        self._runs: dict[str, BatchRun] = {}
        for path in folder.glob("*/batch.json"):
            self._register(BatchRecord.from_json(json.loads(path.read_bytes())))
        latest = max((run.record.serial for run in self._runs.values()), default=0)
        self._serials = itertools.count(latest + 1)

    def resume(self) -> None:
        """Go on with the batches that had not ended."""
        for run in list(self._runs.values()):
            if not run.record.ended:
                self._start(run)

    def create(self, body: Mapping[str, Any], raw: bytes) -> Mapping[str, object]:
        """Raises a 400 when the input file is gone: a create that comes late is refused."""
        BATCH(body, "")
        with self._parts.files.lock, self._lock:
            self._check_input(body["input_file_id"])
            self._check_rate()
            record = self._record(body, raw)
            run = BatchRun(record, self._folder_of(record.id), self._parts, self._reserve)
            document = record.document
            if not record.course.vanished:
                self._folder_of(record.id).path.mkdir()
                run.save()
                self._runs[record.id] = run
                self._start(run)
        return document

    def _check_input(self, file_id: str) -> None:
        try:
            file = self._parts.files.get(file_id)
        except ApiError as error:
            words = f"Invalid 'input_file_id': no such file: {file_id}."
            raise invalid(words, code="invalid_value", param="input_file_id") from error
        if file.purpose != "batch":
            words = f"Invalid 'input_file_id': its purpose is '{file.purpose}', not 'batch'."
            raise invalid(words, code="invalid_value", param="input_file_id")

    def _check_rate(self) -> None:
        since = time.time() - AN_HOUR
        recent = sum(run.record.created_at > since for run in self._runs.values())
        if recent >= self._parts.settings.batches_an_hour:
            words = f"Rate limit reached: {recent} batches were created in an hour."
            raise ApiError(429, words, code="rate_limit_exceeded", kind="requests")

    def _record(self, body: Mapping[str, Any], raw: bytes) -> BatchRecord:
        ident = f"batch_{uuid.uuid4().hex}"
        course = Course()
        for fired in self._parts.rules.fire("batch", Subject(raw, ident)):
            course = BATCHES[fired.do].effect(course, fired)
        return BatchRecord(
            id=ident,
            serial=next(self._serials),
            endpoint=body["endpoint"],
            input_file_id=body["input_file_id"],
            created_at=int(time.time()),
            metadata=body.get("metadata"),
            output_seconds=body.get("output_expires_after", {}).get("seconds", DAYS_30),
            course=course,
        )

    def _folder_of(self, batch_id: str) -> BatchFolder:
        return BatchFolder(self._folder / batch_id)

    def _register(self, record: BatchRecord) -> None:
        run = BatchRun(record, self._folder_of(record.id), self._parts, self._reserve)
        self._runs[record.id] = run

    def _start(self, run: BatchRun) -> None:
        thread = Thread(target=run.run, args=[self._pool], name=run.record.id)
        self._threads = [each for each in self._threads if each.is_alive()]
        self._threads.append(thread)
        thread.start()

    def _reserve(self, record: BatchRecord, check: InputCheck) -> Fault | None:
        model = check.model or ""
        limit = self._parts.settings.enqueued_tokens.get(model)
        with self._admission:
            if record.course.over_limit is not None:
                return token_limit_fault(model, record.course.over_limit)
            if limit is not None and self._enqueued(model) + check.tokens > limit:
                return token_limit_fault(model, limit)
            record.model, record.tokens = model, check.tokens
        return None

    def _enqueued(self, model: str) -> int:
        records = [run.record for run in list(self._runs.values())]
        return sum(each.tokens for each in records if each.model == model and not each.ended)

    def get(self, batch_id: str) -> Mapping[str, object]:
        run = self._run(batch_id)
        with run.lock:
            return run.record.document

    def _run(self, batch_id: str) -> BatchRun:
        run = self._runs.get(batch_id)
        if run is None:
            raise ApiError(404, f"No batch found with id '{batch_id}'.")
        return run

    def cancel(self, batch_id: str) -> Mapping[str, object]:
        run = self._run(batch_id)
        with run.lock:
            status = run.record.status
            if status != "cancelling" and not run.move("cancelling"):
                words = f"Cannot cancel a batch with status '{status}'."
                raise ApiError(409, words, code="invalid_request")
            run.wake.set()
            return run.record.document

    @property
    def newest_first(self) -> Sequence[BatchRecord]:
        records = [run.record for run in list(self._runs.values())]
        return sorted(records, key=lambda record: -record.serial)

    def close(self) -> None:
        """Wait for the lines in work; what is left is taken up by the next start."""
        for run in list(self._runs.values()):
            run.wake.set()
        for thread in self._threads:
            thread.join()
        self._pool.shutdown()

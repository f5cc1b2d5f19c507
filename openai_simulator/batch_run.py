"""The life of one batch: validated, worked line by line at its pace, and its files written."""

import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from threading import Event, RLock
from typing import Final

from openai_simulator.batch_input import Fault, InputCheck, fault
from openai_simulator.batch_lines import BatchLines
from openai_simulator.batch_output import BatchFolder, write_files
from openai_simulator.batch_record import BatchRecord
from openai_simulator.journal import replace_json
from openai_simulator.parts import Parts

IN_FLIGHT: Final = 16
STALL_POLL_SECONDS: Final = 0.05

Reserve = Callable[[BatchRecord, InputCheck], Fault | None]


class BatchRun:
    """`reserve` enqueues the tokens of a checked file, or says why they cannot be."""

    def __init__(
        self,
        record: BatchRecord,
        folder: BatchFolder,
        parts: Parts,
        reserve: Reserve,
    ) -> None:
        self.record = record
        self.lock = RLock()
        self.wake = Event()
        self._folder = folder
        self._parts = parts
        self._reserve = reserve

    def save(self) -> None:
        with self.lock:
            replace_json(self._folder.record, self.record.to_json())

    def move(self, status: str) -> bool:
        with self.lock:
            moved = self.record.move(status)
            if moved:
                self.save()
                if self.record.ended:
                    self._parts.events.announce(self.record)
            return moved

    def run(self, pool: Executor) -> None:
        """Go through the life from wherever it stands; return early when the simulator ends."""
        if self.record.status == "validating":
            self._validate()
        if self.record.ended or self._parts.closing.is_set():
            return
        self._work(pool)
        if not self._parts.closing.is_set():
            self._finish()

    def _validate(self) -> None:
        course = self.record.course
        self.wake.wait(course.validating_seconds)
        if course.failure is not None:
            self._fail([dict(course.failure)])
            return
        limits = self._parts.settings.enqueued_tokens
        check = InputCheck(self.record.endpoint, count_tokens=bool(limits))
        try:
            check.read(self._parts.files.path(self.record.input_file_id))
            self._keep_input()
        except FileNotFoundError:
            words = f"The input file {self.record.input_file_id} was deleted."
            check.faults = [fault("invalid_request", words, param="input_file_id")]
        self._admit(check)

    def _keep_input(self) -> None:
        """From here on the batch goes on even if its input file is deleted."""
        self._folder.input.unlink(missing_ok=True)
        os.link(self._parts.files.path(self.record.input_file_id), self._folder.input)

    def _admit(self, check: InputCheck) -> None:
        refused = None if check.faults else self._reserve(self.record, check)
        faults = [refused] if refused else check.faults
        if faults:
            self._fail(faults)
            return
        self.record.total = check.total
        self.record.started = time.time()
        self.move("in_progress")

    def _fail(self, faults: list[Fault]) -> None:
        with self.lock:
            self.record.errors = list(faults)
            self.move("failed")

    def _work(self, pool: Executor) -> None:
        lines = BatchLines(self.record, self._parts, self._folder.log)
        try:
            lines.recover()
            pending: deque[Future[None]] = deque()
            for number, raw in self._due_lines(lines.done):
                pending.append(pool.submit(lines.work, number, raw))
                if len(pending) >= IN_FLIGHT:
                    pending.popleft().result()
            for future in pending:
                future.result()
            self._stall()
        finally:
            lines.log.close()

    def _due_lines(self, done: set[int]) -> Iterator[tuple[int, bytes]]:
        """The lines not done yet, each when its time comes, until something stops the batch."""
        if self._interrupted():
            return
        limit = math.ceil(self.record.course.fraction * self.record.total)
        with self._folder.input.open("rb") as lines:
            for number, raw in enumerate(lines):
                if number in done:
                    continue
                if number >= limit and not (self.record.course.stalled_by and self._stall()):
                    return
                if not self._wait_until(self._due(number)):
                    return
                yield number, raw

    def _due(self, number: int) -> float:
        seconds = self.record.course.seconds
        if seconds is None:
            seconds = self._parts.settings.batch_seconds
        return self.record.started + seconds * (number + 1) / self.record.total

    def _wait_until(self, moment: float) -> bool:
        delay = moment - time.time()
        if delay > 0:
            self.wake.wait(delay)
        return not self._interrupted()

    def _interrupted(self) -> bool:
        return self._parts.closing.is_set() or self.record.status != "in_progress"

    def _stall(self) -> bool:
        """Wait while the rule that stalls this batch is in force; False when interrupted."""
        rule = self.record.course.stalled_by
        while self._parts.rules.has(rule) and not self._interrupted():
            self.wake.wait(STALL_POLL_SECONDS)
        return not self._interrupted()

    def _finish(self) -> None:
        if self.record.course.ending == "cancelled":
            self.move("cancelling")
        if self.move("finalizing") or self.record.status == "finalizing":
            status = self.record.course.ending
        else:
            status = "cancelled"
            if self._parts.closing.wait(self._parts.settings.cancel_seconds):
                return  # the next start goes on with it
        write_files(self.record, self._folder, status, self._parts)
        self.move(status)

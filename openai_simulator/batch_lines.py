"""A batch's lines: each is worked once, and noted in the work log before the ledger.

The log is what survives a kill: a line in it is done, and if the kill came before the ledger had
it, the bill is made up for from the log. So no line is billed twice, and none is lost.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from openai_simulator.actions import Fired, Subject
from openai_simulator.answer_actions import ANSWERS
from openai_simulator.answers import Answer
from openai_simulator.batch_record import BatchRecord
from openai_simulator.call_actions import BEFORE
from openai_simulator.desk import Done
from openai_simulator.errors import ApiError
from openai_simulator.journal import Journal
from openai_simulator.line_actions import LINES, Line
from openai_simulator.parts import Parts


class BatchLines:
    def __init__(self, record: BatchRecord, parts: Parts, log: Path) -> None:
        self._record = record
        self._parts = parts
        self._lock = Lock()
        self.log = Journal(log)
        self.done: set[int] = set()

    def recover(self) -> None:
        """Count what the log holds, and bill what only the log knows of."""
        logged = self.log.path.stat().st_size > 0
        billed = self._parts.ledger.billed_lines(self._record.id) if logged else set()
        self._record.completed = self._record.failed = 0
        self._record.input_tokens = self._record.output_tokens = 0
        self._record.reasoning_tokens = 0
        for entry in self.log:
            self._count(entry)
            if entry["bill"] is not None and entry["number"] not in billed:
                self._bill(entry)

    def work(self, number: int, raw: bytes) -> None:
        line = json.loads(raw)
        subject = Subject(raw, self._record.id, line["custom_id"])
        fired = self._parts.rules.fire("line", subject)
        entry = {
            "number": number,
            "custom_id": line["custom_id"],
            "written": next((each.do for each in fired if each.do in LINES), None),
            "time": time.time(),
            **self._answered(number, line, fired),
        }
        self.log.append(entry)
        if entry["bill"] is not None:
            self._bill(entry)
        with self._lock:
            self._count(entry)

    def _answered(self, number: int, line: Line, fired: Sequence[Fired]) -> dict[str, Any]:
        ident = hashlib.sha256(f"{self._record.id}/{number}".encode()).hexdigest()[:32]
        try:
            done = self._done(line, fired, ident)
        except ApiError as error:
            output = output_line(line["custom_id"], ident, error.status, error.document)
            return {"line": output, "bill": None, "reasoning_tokens": 0}
        return {
            "line": output_line(line["custom_id"], ident, 200, done.document),
            "bill": done.bill,
            "reasoning_tokens": done.answer.reasoning_tokens,
        }

    def _done(self, line: Line, fired: Sequence[Fired], ident: str) -> Done:
        for each in fired:
            if each.do in BEFORE:
                BEFORE[each.do].effect(each, self._parts.surroundings)
        return self._parts.desk.work(
            line["url"], line["body"], ident, lambda answer: twisted(answer, fired)
        )

    def _bill(self, entry: dict[str, Any]) -> None:
        line = (self._record.id, entry["number"], entry["custom_id"])
        self._parts.ledger.batch(line, entry["bill"], entry["time"])

    def _count(self, entry: dict[str, Any]) -> None:
        self.done.add(entry["number"])
        bill = entry["bill"]
        if bill is None:
            self._record.failed += 1
            return
        self._record.completed += 1
        self._record.input_tokens += bill["input_tokens"]
        self._record.output_tokens += bill["output_tokens"]
        self._record.reasoning_tokens += entry["reasoning_tokens"]


def twisted(answer: Answer, fired: Sequence[Fired]) -> Answer:
    """The answer as the rules that fired change it."""
    for each in fired:
        if each.do in ANSWERS:
            answer = ANSWERS[each.do].effect(answer, each.parameters)
    return answer


def output_line(custom_id: str, ident: str, status: int, body: object) -> Line:
    response = {"status_code": status, "request_id": f"req_{ident}", "body": body}
    return {
        "id": f"batch_req_{ident}",
        "custom_id": custom_id,
        "response": response,
        "error": None,
    }


def undone_line(custom_id: str, status: str) -> Line:
    """The error line of a request that an expired or cancelled batch did not get to."""
    why = {
        "expired": "This request could not be executed before the completion window expired.",
        "cancelled": "This request was not executed because the batch was cancelled.",
    }
    ident = hashlib.sha256(custom_id.encode()).hexdigest()[:32]
    return {
        "id": f"batch_req_{ident}",
        "custom_id": custom_id,
        "response": None,
        "error": {"code": f"batch_{status}", "message": why[status]},
    }

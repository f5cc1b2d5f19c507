"""Validation of a batch's input file (Batch guide): one fault fails the whole batch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from openai_simulator.desk import prompt_tokens
from openai_simulator.errors import ORGANIZATION
from openai_simulator.models import MODELS

MAX_LINES: Final = 50_000
MAX_BYTES: Final = 200 * 1024 * 1024
MAX_FAULTS: Final = 50
_FIELDS: Final = ("custom_id", "method", "url", "body")

Fault = dict[str, object]


def fault(code: str, message: str, param: str | None = None) -> Fault:
    """An entry of a batch's errors.data; its `line`, where it has one, counts from 1."""
    return {"code": code, "message": message, "param": param, "line": None}


@dataclass
class InputCheck:
    """`tokens` is only counted on demand: it takes as long as all the rest."""

    endpoint: str
    count_tokens: bool
    total: int = 0
    tokens: int = 0
    model: str | None = None
    faults: list[Fault] = field(default_factory=list)
    _custom_ids: set[str] = field(default_factory=set)

    def read(self, path: Path) -> None:
        """Raises FileNotFoundError when the file is gone."""
        size = path.stat().st_size
        if size == 0:
            self.faults.append(fault("empty_file", "The batch file is empty."))
        elif size > MAX_BYTES:
            self.faults.append(fault("invalid_request", f"The file exceeds {MAX_BYTES} bytes."))
        else:
            self._read_lines(path)

    def _read_lines(self, path: Path) -> None:
        with path.open("rb") as lines:
            for raw in lines:
                self.total += 1
                if self.total > MAX_LINES:
                    words = f"The batch file has more than {MAX_LINES} requests."
                    self.faults = [fault("too_many_tasks", words)]
                    return
                found = self._check(raw)
                if found is not None and len(self.faults) < MAX_FAULTS:
                    self.faults.append({**found, "line": self.total})

    def _check(self, raw: bytes) -> Fault | None:
        try:
            line = json.loads(raw)
        except (ValueError, RecursionError):
            line = None
        if not isinstance(line, dict):
            return fault("invalid_json_line", "This line is not parseable as valid JSON.")
        return self._check_fields(line) or self._check_model(line["body"])

    def _check_fields(self, line: Mapping[str, Any]) -> Fault | None:
        for name in _FIELDS:
            if not line.get(name):
                words = f"Missing required parameter: '{name}'."
                return fault("missing_required_parameter", words, name)
        strange = next((name for name in line if name not in _FIELDS), None)
        if strange is not None:
            return fault("invalid_request", f"Unknown parameter: '{strange}'.", strange)
        if line["method"] != "POST":
            return fault("invalid_request", "Invalid method: only 'POST' is supported.", "method")
        if line["url"] != self.endpoint:
            words = f"The URL provided for this request does not match the batch's {self.endpoint}."
            return fault("invalid_url", words, "url")
        return self._check_custom_id(line["custom_id"])

    def _check_custom_id(self, custom_id: object) -> Fault | None:
        if not isinstance(custom_id, str):
            return fault("invalid_request", "Invalid type: expected a string.", "custom_id")
        if custom_id in self._custom_ids:
            words = "The custom_id for this request is a duplicate of another request."
            return fault("duplicate_custom_id", f"{words} ({custom_id})", "custom_id")
        self._custom_ids.add(custom_id)
        return None

    def _check_model(self, body: object) -> Fault | None:
        model = body.get("model") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(model, str):
            words = "Missing required parameter: 'body.model'."
            return fault("missing_required_parameter", words, "body.model")
        if body.get("stream"):
            return fault(
                "streaming_unsupported", "Streaming is not supported in batches.", "body.stream"
            )
        if model not in MODELS:
            words = f"The model `{model}` does not exist or you do not have access to it."
            return fault("model_not_found", words, "body.model")
        if model != (self.model or model):
            words = f"All requests of a batch must use the same model, here {self.model}."
            return fault("mismatched_model", words, "body.model")
        self.model = model
        self.tokens += prompt_tokens(self.endpoint, body) if self.count_tokens else 0
        return None


def token_limit_fault(model: str, limit: int) -> Fault:
    words = (
        f"Enqueued token limit reached for {model} in organization {ORGANIZATION}. "
        f"Limit: {limit:,} enqueued tokens. Please try again once some in_progress batches "
        "have been completed."
    )
    return fault("token_limit_exceeded", words)

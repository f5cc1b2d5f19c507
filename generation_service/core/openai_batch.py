"""The state of an OpenAI batch, read leniently: compatible servers vary in every field.

Seen in practice: capitalised statuses, null counts, "" for a file that does not exist, statuses
of their own. Only the id must be there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from generation_service.core.text import storable

METADATA_BATCH: Final = "generation_service_batch"
METADATA_DEPLOYMENT: Final = "generation_service_deployment"
"""What our batches carry at OpenAI: the id of our row, and that of this installation."""

TERMINAL: Final = frozenset({"completed", "failed", "expired", "cancelled"})
"""Statuses that never change again (OpenAI's Batch API guide)."""

_GOING_ON: Final = frozenset({"validating", "in_progress", "finalizing", "cancelling"})
_SPELLINGS: Final = {"canceled": "cancelled", "canceling": "cancelling"}
_LIMIT: Final = re.compile(r"Limit:\s*(\d[\d,._\s]*)\s*enqueued tokens", re.IGNORECASE)
_MAX_ID: Final = 4_096  # proxies put whole routes into ids; half an id would be another one
_MAX_WORD: Final = 255
_MAX_MESSAGE: Final = 500
_MAX_FAULTS: Final = 1_000


class MalformedBatchError(ValueError):
    """The answer is no batch: it has no id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFault:
    """Why OpenAI's validation refused the input file, at its 1-based `line` if it is one line."""

    code: str
    message: str
    line: int | None
    param: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """`status` is in lower case; the counts are OpenAI's own and only good for display."""

    id: str
    status: str
    input_file_id: str | None
    output_file_id: str | None
    error_file_id: str | None
    completed: int
    failed: int
    total: int
    metadata: Mapping[str, str]
    errors: tuple[BatchFault, ...]
    ended: bool


def read_batch(body: object) -> BatchState:
    """The batch in an answer's body; raises MalformedBatchError when it has no id."""
    batch = _object(body)
    batch_id = as_id(batch.get("id"))
    if batch_id is None:
        raise MalformedBatchError("The answer is not a batch: it has no id.")
    status = _status(batch)
    counts = _object(batch.get("request_counts"))
    return BatchState(
        id=batch_id,
        status=status,
        input_file_id=as_id(batch.get("input_file_id")),
        output_file_id=as_id(batch.get("output_file_id")),
        error_file_id=as_id(batch.get("error_file_id")),
        completed=_count(counts.get("completed")),
        failed=_count(counts.get("failed")),
        total=_count(counts.get("total")),
        metadata={key: str(value) for key, value in _object(batch.get("metadata")).items()},
        errors=_faults(batch.get("errors")),
        ended=status in TERMINAL,
    )


def as_id(value: object) -> str | None:
    """An id as text: some servers number their files and batches."""
    if isinstance(value, int) and value and not isinstance(value, bool):
        return str(value)
    return _text(value, _MAX_ID)


def enqueued_token_limit(message: str) -> int | None:
    """The model's whole limit, as named by a `token_limit_exceeded` error."""
    named = _LIMIT.search(message)
    return int(re.sub(r"\D", "", named[1])[:18]) if named else None


def _status(batch: Mapping[str, object]) -> str:
    """The status as OpenAI spells it.

    An unknown one is told by the time stamp of its end, or by a file where every request counts
    as answered: a server that calls its end by a word of its own must not be asked for ever.
    """
    text = str(batch.get("status") or "")[:_MAX_WORD]
    status = re.sub(r"[\s-]+", "_", storable(text).strip().lower())
    status = _SPELLINGS.get(status, status)
    if status in TERMINAL | _GOING_ON:
        return status
    ends = (
        end for end in ("completed", "failed", "expired", "cancelled") if batch.get(f"{end}_at")
    )
    return next(ends, "completed" if _all_answered(batch) else status)


def _all_answered(batch: Mapping[str, object]) -> bool:
    counts = _object(batch.get("request_counts"))
    answered = _count(counts.get("completed")) + _count(counts.get("failed"))
    has_file = as_id(batch.get("output_file_id")) or as_id(batch.get("error_file_id"))
    return bool(has_file) and 0 < _count(counts.get("total")) <= answered


def _faults(errors: object) -> tuple[BatchFault, ...]:
    """What stands in errors.data, or the list, the one error or the sentence in its place."""
    data = errors.get("data", errors) if isinstance(errors, dict) else errors
    entries = data if isinstance(data, list) else [data] if data else []
    return tuple(_fault(entry) for entry in entries[:_MAX_FAULTS])


def _fault(entry: object) -> BatchFault:
    fault = _object(entry) if isinstance(entry, dict) else {"message": entry}
    line = fault.get("line")
    return BatchFault(
        code=_text(fault.get("code")) or "unknown",
        message=storable(str(fault.get("message") or ""), _MAX_MESSAGE),
        line=line if isinstance(line, int) else None,
        param=_text(fault.get("param")),
    )


def _text(value: object, limit: int = _MAX_WORD) -> str | None:
    """A non-empty short text."""
    return storable(value, limit) or None if isinstance(value, str) else None


def _count(value: object) -> int:
    return max(value, 0) if isinstance(value, int) else 0


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}

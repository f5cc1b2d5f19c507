"""A batch as it is kept on disk, and as the API shows it."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from openai_simulator.batch_actions import Course
from openai_simulator.documents import usage

WINDOW_SECONDS: Final = 24 * 3600
ENDED: Final = frozenset({"completed", "failed", "expired", "cancelled"})
_NEXT: Final[Mapping[str, frozenset[str]]] = {
    "validating": frozenset({"failed", "in_progress", "cancelling"}),
    "in_progress": frozenset({"finalizing", "cancelling"}),
    "finalizing": frozenset({"completed", "expired"}),
    "cancelling": frozenset({"cancelled", "failed"}),  # failed: its file turned out faulty
}
_TIMES: Final = (
    "in_progress",
    "finalizing",
    "completed",
    "failed",
    "expired",
    "cancelling",
    "cancelled",
)


@dataclass(kw_only=True)
class BatchRecord:
    """`serial` orders batches; `tokens` are the prompt tokens it keeps enqueued until it ends."""

    id: str
    serial: int
    endpoint: str
    input_file_id: str
    created_at: int
    metadata: Mapping[str, str] | None
    output_seconds: int
    course: Course
    status: str = "validating"
    started: float = 0.0
    model: str | None = None
    tokens: int = 0
    total: int = 0
    completed: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    errors: list[Mapping[str, Any]] = field(default_factory=list)
    output_file_id: str | None = None
    error_file_id: str | None = None
    times: dict[str, int] = field(default_factory=dict)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "BatchRecord":
        return cls(**{**stored, "course": Course(**stored["course"])})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    def move(self, status: str) -> bool:
        """Enter `status` if it can follow the present one."""
        if status not in _NEXT.get(self.status, frozenset()):
            return False
        self.status = status
        self.times[status] = int(time.time())
        return True

    @property
    def document(self) -> dict[str, object]:
        counts = {"total": self.total, "completed": self.completed, "failed": self.failed}
        spent = usage(self.input_tokens, self.output_tokens, self.reasoning_tokens)
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "model": self.model,
            "errors": {"object": "list", "data": self.errors} if self.errors else None,
            "input_file_id": self.input_file_id,
            "completion_window": "24h",
            "status": self.status,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "created_at": self.created_at,
            "expires_at": self.created_at + WINDOW_SECONDS,
            **{f"{status}_at": self.times.get(status) for status in _TIMES},
            "request_counts": counts,
            "usage": spent if self.ended and self.status != "failed" else None,
            "metadata": self.metadata,
        }

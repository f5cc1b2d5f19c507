"""The body of a webhook (docs/api.md §6)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from generation_service.core.results import LanguageResult, LotResult, lot_document
from generation_service.core.status import JobStatus, LotStatus

Document = dict[str, object]
NO_JOB: Final = "00000000-0000-0000-0000-000000000000"  # RFC 9562 §5.9: the nil UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which delivery it is, and which part of the results it holds."""

    delivery_id: str
    run: int
    part: int
    parts: int


def payload(
    *,
    job_id: str,
    status: JobStatus,
    completed_at: str | None,
    metadata: Mapping[str, str] | None,
    lots: Sequence[LotResult],
) -> Document:
    """The fields that tell of the job; `metadata` only if the client sent any."""
    document: Document = {
        "job_id": job_id,
        "status": status.value,
        "completed_at": completed_at,
        "lots": [lot_document(lot) for lot in lots],
    }
    if metadata is not None:
        document["metadata"] = dict(metadata)
    return document


def sample(completed_at: str | None) -> Document:
    """The fields of a webhook that belongs to no job, to try a receiver with."""
    text = LanguageResult("en", "<p>This is a sample: no vehicle was described.</p>")
    lot = LotResult(
        position=0,
        lot_id="sample",
        status=LotStatus.COMPLETED,
        error=None,
        missing_images=(),
        languages=[text],
    )
    fields = payload(
        job_id=NO_JOB,
        status=JobStatus.COMPLETED,
        completed_at=completed_at,
        metadata=None,
        lots=[lot],
    )
    return {"test": True, **fields}


def render(document: Document, part: Part, public_url: str) -> bytes:
    """The bytes to sign and send; `public_url` is where clients reach the service, or empty."""
    every: Document = {
        **document,
        "delivery_id": part.delivery_id,
        "run": part.run,
        "part": part.part,
        "parts": part.parts,
        "results_url": f"{public_url}/api/v1/batch-results/{document['job_id']}",
    }
    return json.dumps(every, ensure_ascii=False, separators=(",", ":")).encode()

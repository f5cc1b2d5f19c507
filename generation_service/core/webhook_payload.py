"""The body of a webhook (docs/api.md §6)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What a webhook tells of the job; `metadata` only if the client sent any.

    `lots` are the JSON objects of lots as in results (`db/lot_documents.py`), with commas between.
    """

    job_id: str
    status: JobStatus
    completed_at: str | None
    metadata: Mapping[str, str] | None
    lots: str
    test: bool = False


def sample(completed_at: str | None) -> Payload:
    """A webhook that belongs to no job, to try a receiver with."""
    text = "<p>This is a sample: no vehicle was described.</p>"
    lot: Document = {
        "lot_id": "sample",
        "status": LotStatus.COMPLETED.value,
        "descriptions": [{"language": "en", "damages": text}],
        "missing_images": [],
    }
    return Payload(
        job_id=NO_JOB,
        status=JobStatus.COMPLETED,
        completed_at=completed_at,
        metadata=None,
        lots=_json(lot),
        test=True,
    )


def render(payload: Payload, part: Part, public_url: str) -> bytes:
    """The bytes to sign and send; `public_url` is where clients reach the service, or empty."""
    opening: Document = {"test": True} if payload.test else {}
    opening |= {
        "job_id": payload.job_id,
        "status": payload.status.value,
        "completed_at": payload.completed_at,
    }
    rest: Document = {} if payload.metadata is None else {"metadata": dict(payload.metadata)}
    rest |= {
        "delivery_id": part.delivery_id,
        "run": part.run,
        "part": part.part,
        "parts": part.parts,
        "results_url": f"{public_url}/api/v1/batch-results/{payload.job_id}",
    }
    head, tail = _json(opening).removesuffix("}"), _json(rest).removeprefix("{")
    return f'{head},"lots":[{payload.lots}],{tail}'.encode()


def _json(document: Document) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))

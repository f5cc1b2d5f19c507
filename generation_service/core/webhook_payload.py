"""The body of a webhook."""

from collections.abc import Mapping, Sequence

from generation_service.core.results import LotResult, lot_document
from generation_service.core.status import JobStatus


def payload(
    *,
    job_id: str,
    status: JobStatus,
    completed_at: str | None,
    metadata: Mapping[str, str] | None,
    lots: Sequence[LotResult],
) -> dict[str, object]:
    """The fields that tell of the job (docs/api.md §6); `metadata` only if the client sent any."""
    document: dict[str, object] = {
        "job_id": job_id,
        "status": status.value,
        "completed_at": completed_at,
        "lots": [lot_document(lot) for lot in lots],
    }
    if metadata is not None:
        document["metadata"] = dict(metadata)
    return document

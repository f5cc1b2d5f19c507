"""Jobs as operators read them: plain functions from rows to JSON."""

from collections.abc import Sequence
from dataclasses import dataclass

from generation_service.core.charges import usage_document
from generation_service.core.results import LotResult, error_document
from generation_service.core.times import timestamp
from generation_service.db.delivery_log import Tally
from generation_service.db.job_shares import JobOpenAIBatch
from generation_service.db.jobs import Job, StageCount

Document = dict[str, object]


@dataclass(frozen=True, slots=True)
class JobView:
    """All that `jobs show` tells; `failed_lots` are the first ones."""

    job: Job
    batches: Sequence[JobOpenAIBatch]
    failed_lots: Sequence[LotResult]
    deliveries: Sequence[Tally]


def job_document(job: Job) -> Document:
    return {
        "job_id": str(job.id),
        "client": job.client,
        "status": job.status.value,
        "run": job.run,
        "total_lots": job.lots_total,
        "settled_lots": job.lots_settled,
        "failed_lots": job.lots_failed,
        "languages": list(job.languages),
        "error_message": job.error_message,
        "created_at": timestamp(job.created_at),
        "updated_at": timestamp(job.updated_at),
        "completed_at": timestamp(job.completed_at),
    }


def view_document(view: JobView) -> Document:
    job = view.job
    return {
        **job_document(job),
        "stages": {name: _stage(count) for name, count in stages(job)},
        "usage": usage_document(job.charge, job.estimated_cost_nanos),
        "openai_batches": [_batch(batch) for batch in view.batches],
        "failed": [_failed_lot(lot) for lot in view.failed_lots],
        "deliveries": [_tally(tally) for tally in view.deliveries],
    }


def stages(job: Job) -> list[tuple[str, StageCount]]:
    return [("images", job.images), ("vision", job.vision), ("translation", job.translation)]


def _stage(count: StageCount) -> Document:
    return {"total": count.total, "completed": count.completed, "failed": count.failed}


def _batch(batch: JobOpenAIBatch) -> Document:
    return {
        "id": batch.id,
        "kind": batch.kind.value,
        "status": batch.status,
        "requests": batch.requests,
        "completed": batch.completed,
        "failed": batch.failed,
        "created_at": timestamp(batch.created_at),
    }


def _failed_lot(lot: LotResult) -> Document:
    return {
        "lot_id": lot.lot_id,
        "error": lot.error and error_document(lot.error),
        "failed_languages": [
            {"language": each.language, "error": error_document(each.error)}
            for each in lot.languages
            if each.error
        ],
    }


def _tally(tally: Tally) -> Document:
    return {
        "run": tally.run,
        "status": tally.status.value,
        "deliveries": tally.deliveries,
        "error_message": tally.error_message,
    }

"""What clients read about jobs (docs/api.md §3, §5 and §10): plain functions from rows to JSON."""

from collections.abc import Iterable, Sequence

from generation_service.clients.webhooks import DeliveryOutcome
from generation_service.core.charges import usage_document
from generation_service.core.estimates import expected_duration
from generation_service.core.status import JOB_ACTIVE, Kind
from generation_service.core.times import timestamp
from generation_service.core.webhooks import is_delivered
from generation_service.db.delivery_log import Attempt, Delivery
from generation_service.db.endpoints import Endpoint
from generation_service.db.job_shares import JobOpenAIBatch
from generation_service.db.jobs import Job, StageCount

Document = dict[str, object]


def status_document(job: Job, batches: Sequence[JobOpenAIBatch]) -> Document:
    """The answer of batch-status; `batches` come newest first."""
    document: Document = {
        "job_id": str(job.id),
        "status": job.status.value,
        "run": job.run,
        "created_at": timestamp(job.created_at),
        "updated_at": timestamp(job.updated_at),
        "progress": progress(job),
        "stages": {
            "images": _stage(job.images),
            "vision": _stage(job.vision),
            "translation": _stage(job.translation),
        },
        "usage": usage_document(job.charge, job.estimated_cost_nanos),
        "languages": list(job.languages),
        "error_message": job.error_message,
        "openai_vision_batch_id": _newest(batches, Kind.VISION),
        "openai_translation_batch_id": _newest(batches, Kind.TRANSLATION),
        "openai_batches": [_openai_batch(batch) for batch in batches],
    }
    return document | metadata(job)


def results_head(job: Job) -> Document:
    """The results without their lots: `results` stands last, and in it an empty `lots`."""
    document: Document = {
        "job_id": str(job.id),
        "status": job.status.value,
        "completed_at": timestamp(job.completed_at),
        **metadata(job),
    }
    document["results"] = {
        "version": job.version,
        "total_lots": job.lots_total,
        "processed_lots": job.lots_settled,
        "failed_lots": job.lots_failed,
        "complete": job.status not in JOB_ACTIVE,
        "lots": [],
    }
    return document


def unfinished_document(job: Job) -> Document:
    """The 202 of batch-results; the sentence in `error` is what clients compare with."""
    return {
        "error": "Job not completed",
        "code": "job_not_completed",
        "status": job.status.value,
        "message": f"Job is currently {job.status.value}. "
        "Results will be available when status is 'completed'.",
    }


def jobs_document(jobs: Iterable[Job], pagination: Document) -> Document:
    return {"jobs": [_listed(job) for job in jobs], "pagination": pagination}


def cancelled_document(job: Job) -> Document:
    return {
        "job_id": str(job.id),
        "status": job.status.value,
        "message": "Job successfully cancelled",
    }


def retried_document(job: Job) -> Document:
    """The new run; `retried_lots` are those that have failed and are worked on again."""
    lots = job.lots_total - job.lots_settled
    return {
        "job_id": str(job.id),
        "status": job.status.value,
        "run": job.run,
        "retried_lots": lots,
        "total_lots": job.lots_total,
        "estimated_completion": timestamp(job.run_started_at + expected_duration(lots)),
    }


def deliveries_document(deliveries: Iterable[Delivery], pagination: Document) -> Document:
    return {"deliveries": [delivery_document(row) for row in deliveries], "pagination": pagination}


def endpoints_document(found: Iterable[tuple[Endpoint, int]], pagination: Document) -> Document:
    """The client's endpoints, each with how many deliveries are pending for it."""
    endpoints = [
        endpoint_document(endpoint) | {"pending_deliveries": pending} for endpoint, pending in found
    ]
    return {"endpoints": endpoints, "pagination": pagination}


def endpoint_document(endpoint: Endpoint) -> Document:
    return {
        "endpoint_id": str(endpoint.id),
        "url": endpoint.url,
        "status": "active" if endpoint.paused_at is None else "paused",
        "paused_at": timestamp(endpoint.paused_at),
        "paused_reason": endpoint.paused_reason,
        "failing_since": timestamp(endpoint.failing_since),
        "last_success_at": timestamp(endpoint.last_success_at),
        "created_at": timestamp(endpoint.created_at),
    }


def sample_document(outcome: DeliveryOutcome) -> Document:
    return {
        "delivered": is_delivered(outcome.status_code),
        "status_code": outcome.status_code,
        "duration_ms": round(outcome.seconds * 1000),
        "error": outcome.error,
        "response": outcome.response_text,
    }


def progress(job: Job) -> Document:
    return {
        "total_lots": job.lots_total,
        "processed_lots": job.lots_settled,
        "failed_lots": job.lots_failed,
        "completion_percentage": completion_percentage(job),
    }


def completion_percentage(job: Job) -> float:
    """Settled lots of all, to one decimal; 100 is kept for jobs that have ended."""
    share = round(100 * job.lots_settled / job.lots_total, 1)
    return min(share, 99.9) if job.status in JOB_ACTIVE else share


def metadata(job: Job) -> Document:
    """What the client sent along, if it did."""
    return {} if job.metadata is None else {"metadata": dict(job.metadata)}


def _stage(count: StageCount) -> Document:
    return {"total": count.total, "completed": count.completed, "failed": count.failed}


def _newest(batches: Iterable[JobOpenAIBatch], kind: Kind) -> str | None:
    return next((batch.id for batch in batches if batch.kind is kind), None)


def _openai_batch(batch: JobOpenAIBatch) -> Document:
    return {
        "id": batch.id,
        "kind": batch.kind.value,
        "status": batch.status,
        "requests": batch.requests,
        "completed": batch.completed,
        "failed": batch.failed,
        "created_at": timestamp(batch.created_at),
    }


def _listed(job: Job) -> Document:
    return {
        "id": str(job.id),
        "status": job.status.value,
        "created_at": timestamp(job.created_at),
        "updated_at": timestamp(job.updated_at),
        "total_lots": job.lots_total,
        "processed_lots": job.lots_settled,
        "languages": list(job.languages),
        "progress": progress(job),
    }


def delivery_document(delivery: Delivery) -> Document:
    return {
        "delivery_id": str(delivery.id),
        "webhook_url": delivery.webhook_url,
        "status": delivery.status.value,
        "run": delivery.run,
        "part": delivery.part,
        "parts": delivery.parts,
        "attempt_count": delivery.attempt_count,
        "last_attempt_at": timestamp(delivery.last_attempt_at),
        "next_attempt_at": timestamp(delivery.next_attempt_at),
        "delivered_at": timestamp(delivery.delivered_at),
        "error_message": delivery.error_message,
        "attempts": [_attempt(attempt) for attempt in delivery.attempts],
    }


def _attempt(attempt: Attempt) -> Document:
    return {
        "attempt": attempt.attempt,
        "at": timestamp(attempt.at),
        "status_code": attempt.status_code,
        "duration_ms": attempt.duration_ms,
        "error": attempt.error,
        "response": attempt.response,
    }

"""Accepting a job: one transaction, and the client's 201 only after its commit."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import Connection

from generation_service.core.languages import translations
from generation_service.core.limits import BATCH_WINDOW_HOURS
from generation_service.core.lots import GenerationRequest
from generation_service.db import jobs, lots
from generation_service.pipeline.resources import Resources
from generation_service.pipeline.transactions import request_transaction

_LOTS_AN_HOUR = 2_500


@dataclass(frozen=True, slots=True)
class Accepted:
    job_id: UUID
    created_at: datetime
    estimated_completion: datetime


def accept(resources: Resources, client: str, request: GenerationRequest) -> Accepted:
    """Store the job; once this returns it survives any crash."""
    job_id = uuid4()

    def store(connection: Connection) -> datetime:
        created_at = jobs.insert(
            connection,
            id=job_id,
            client=client,
            version=request.version,
            languages=list(request.languages),
            translations=list(translations(request.languages)),
            metadata=request.metadata,
            lots_total=len(request.lots),
            images_total=sum(len(lot.image_urls) for lot in request.lots),
        )
        lots.copy_all(connection, job_id, request.lots)
        return created_at

    created_at = request_transaction(resources.engine, store)
    return Accepted(job_id, created_at, created_at + _estimate(len(request.lots)))


def _estimate(lot_count: int) -> timedelta:
    """A guess from the size of the job; OpenAI promises no more than its 24 hours."""
    return timedelta(hours=min(BATCH_WINDOW_HOURS, 1 + lot_count / _LOTS_AN_HOUR))

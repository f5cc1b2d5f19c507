"""Accepting a job: one transaction, and the client's 201 only after its commit."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Connection

from generation_service.core.estimates import expected_duration
from generation_service.core.idempotency import Identity, State
from generation_service.core.languages import translations
from generation_service.core.lots import GenerationRequest
from generation_service.core.times import timestamp
from generation_service.db import idempotency, jobs, lots
from generation_service.db.idempotency import Outcome
from generation_service.pipeline import estimate, job_reports, repeat
from generation_service.pipeline.repeat import Admit, Answer
from generation_service.pipeline.resources import Resources
from generation_service.pipeline.transactions import request_transaction

_CREATED = 201


def accept(
    resources: Resources, identity: Identity, request: GenerationRequest, admit: Admit
) -> Answer | None:
    """Store the job; once this returns its answer, the job survives any crash.

    A request of the same identity that is being stored is waited for. None when it was: it has
    the answer now. ServiceError `cost_limit_exceeded` when it is estimated to cost too much.
    """

    def store(connection: Connection) -> Outcome | None:
        claim = repeat.claim(connection, identity)
        if claim is None:
            return None
        estimated = estimate.within_limit(connection, resources, request)
        outcome = _store(connection, identity.client, request, estimated.cost_nanos)
        idempotency.record(connection, claim, outcome)
        admit(connection)  # last, because the client's other requests wait for the count
        return outcome

    outcome = request_transaction(resources.engine, store)
    if outcome is None:
        return None
    assert outcome.job_id is not None  # noqa: S101 - it was stored
    job_reports.accepted(outcome.job_id, len(request.lots))
    return Answer(outcome.status_code, outcome.answer)


def _store(
    connection: Connection, client: str, request: GenerationRequest, estimated_cost: int | None
) -> Outcome:
    job_id = uuid4()
    created_at = jobs.insert(
        connection,
        id=job_id,
        client=client,
        version=request.version,
        languages=list(request.languages),
        translations=list(translations(request.languages)),
        metadata=request.metadata,
        lots_total=len(request.lots),
        images_total=request.lots.images,
        estimated_cost_nanos=estimated_cost,
    )
    lots.copy_all(connection, job_id, request.lots)
    answer = _document(job_id, created_at, request)
    return Outcome(state=State.DONE, status_code=_CREATED, answer=answer, job_id=job_id)


def _document(job_id: UUID, created_at: datetime, request: GenerationRequest) -> dict[str, object]:
    return {
        "job_id": str(job_id),
        "status": "accepted",
        "created_at": timestamp(created_at),
        "total_lots": len(request.lots),
        "languages": list(request.languages),
        "estimated_completion": timestamp(created_at + expected_duration(len(request.lots))),
    }

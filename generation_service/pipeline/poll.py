"""Polling: how our batches fare at OpenAI, until they have ended there."""

import structlog
from sqlalchemy import Connection

from generation_service.clients.openai_api import (
    OpenAICallError,
    OpenAIRefused,
)
from generation_service.core.limits import BATCH_WINDOW_HOURS
from generation_service.core.openai_batch import BatchState
from generation_service.core.status import OpenAIBatchStatus
from generation_service.db import openai_batches
from generation_service.db.openai_batches import ClaimedBatch
from generation_service.pipeline import refusals
from generation_service.pipeline.claims import claimed, renewed
from generation_service.pipeline.resources import Beat, Resources
from generation_service.pipeline.transactions import transaction
from generation_service.telemetry import openai_errors

_log = structlog.get_logger()
_NOT_FOUND = 404
_ERRORS = frozenset({"failed", "expired"})
_VANISHED_AFTER = 6
"""So often in a row, over two minutes, a batch may be unknown to OpenAI before it counts as gone:
its requests are then paid for once more."""
_OVERDUE_SECONDS = (BATCH_WINDOW_HOURS + 1) * 3600
_LOST_AFTER_SECONDS = 3600
"""So long a batch may stay overdue once it was asked to end: then its requests are paid for anew.
It counts from the first look, because it may be the service that was away for a day."""


def tick(resources: Resources, beat: Beat) -> bool:
    """Ask about one OpenAI batch; False when none was due."""
    batch = claimed(resources, [OpenAIBatchStatus.SUBMITTED])
    if batch is None:
        return False
    with renewed(resources, batch, beat), refusals.waited_out(resources, batch):
        try:
            _ask(resources, batch)
        except OpenAIRefused as error:
            _refused(resources, batch, error)
    return True


def _ask(resources: Resources, batch: ClaimedBatch) -> None:
    assert batch.openai_id is not None  # noqa: S101 - a submitted batch has one
    state = resources.openai.retrieve_batch(batch.openai_id)
    overdue = batch.age > _OVERDUE_SECONDS
    if not state.ended and (batch.cancel_requested or overdue):
        state = _cancelled(resources, state)
    if state.ended or batch.overdue > _LOST_AFTER_SECONDS:
        _ended(resources, batch, state)
    else:
        seconds = resources.settings.openai_poll_seconds
        transaction(
            resources.engine,
            lambda connection: openai_batches.try_later(
                connection, batch, seconds=seconds, failed=False, state=state, overdue=overdue
            ),
        )


def _cancelled(resources: Resources, state: BatchState) -> BatchState:
    if state.status == "cancelling":
        return state
    try:
        return resources.openai.cancel_batch(state.id)
    except OpenAICallError as error:  # it may have ended meanwhile; the next poll will see it
        _log.info("openai_cancel_failed", openai_id=state.id, reason=str(error))
        return state


def _ended(resources: Resources, batch: ClaimedBatch, state: BatchState) -> None:
    faults = [
        {"code": fault.code, "message": fault.message, "line": fault.line, "param": fault.param}
        for fault in state.errors
    ]
    fields = openai_batches.state_fields(state)
    if state.status == "expired" and resources.settings.deadline_fallback:
        fields["to_direct"] = True  # else it stays as it is: it may have been set since the claim

    def record(connection: Connection) -> None:
        openai_batches.record_errors(connection, batch, faults)
        openai_batches.move(connection, batch, OpenAIBatchStatus.COLLECTING, **fields)
        openai_batches.try_later(connection, batch, seconds=0, failed=False)

    transaction(resources.engine, record)
    if state.status in _ERRORS:
        openai_errors.note(f"batch_{state.status}")
        codes = sorted({fault.code for fault in state.errors if fault.code})
        _log.error("openai_error", code=f"batch_{state.status}", codes=codes)
    _log.info("openai_batch_ended", openai_status=state.status)


def _refused(resources: Resources, batch: ClaimedBatch, error: OpenAIRefused) -> None:
    if error.status != _NOT_FOUND or batch.tries < _VANISHED_AFTER:
        refusals.wait(resources, batch, str(error), at_least=error.retry_after or 0.0)
        return

    def give_up(connection: Connection) -> None:
        openai_batches.move(
            connection, batch, OpenAIBatchStatus.COLLECTING, openai_status="vanished"
        )
        openai_batches.try_later(connection, batch, seconds=0, failed=False)

    transaction(resources.engine, give_up)
    _log.error("openai_batch_vanished", openai_batch=str(batch.id), openai_id=batch.openai_id)

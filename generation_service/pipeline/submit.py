"""Submitting: an OpenAI batch is written, uploaded and created, and paid for once.

Before OpenAI is asked to create a batch, our row exists and its id goes into the batch's metadata.
Whoever finds an upload whose creation is unclear (a crash, a lost answer) looks for that batch at
OpenAI and adopts it. If it is not there, the input file is deleted first, so that a creation that
is still on its way must fail; only when the batch is still not there is everything sent anew.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import IO

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from generation_service.clients.openai_api import (
    OpenAIMeaningless,
    OpenAIRefused,
    OpenAIUnclear,
)
from generation_service.core.filling import Filling
from generation_service.core.lanes import FALLBACK_AFTER_SECONDS, lacks_batch_api
from generation_service.core.limits import (
    FILE_DAYS,
    MAX_BATCH_BYTES,
    MAX_BATCH_REQUESTS,
    MAX_CREATIONS_AN_HOUR,
)
from generation_service.core.openai_batch import METADATA_BATCH, METADATA_DEPLOYMENT, BatchState
from generation_service.core.openai_errors import Failure, Retry
from generation_service.core.openai_files import INPUT_PREFIX
from generation_service.core.prompts import batch_line
from generation_service.core.requests import custom_id
from generation_service.core.status import OpenAIBatchStatus
from generation_service.db import creations, lanes, openai_batches, queue, requests
from generation_service.db.openai_batches import ClaimedBatch
from generation_service.db.requests import RequestRow
from generation_service.pipeline import bodies, refusals
from generation_service.pipeline.claims import claimed, renewed
from generation_service.pipeline.resources import Beat, Resources
from generation_service.pipeline.transactions import transaction

_log = structlog.get_logger()
_STATES = (OpenAIBatchStatus.BUILDING, OpenAIBatchStatus.UPLOADED)


def tick(resources: Resources, beat: Beat) -> bool:
    """Bring one OpenAI batch to OpenAI; False when none was due."""
    batch = claimed(resources, _STATES)
    if batch is None:
        return False
    with renewed(resources, batch, beat), refusals.waited_out(resources, batch):
        try:
            _bring(resources, batch)
        except OpenAIRefused as error:
            refusals.submission_refused(resources, batch, error)
    return True


def _bring(resources: Resources, batch: ClaimedBatch) -> None:
    if batch.status is OpenAIBatchStatus.UPLOADED:
        state = _adopt(resources, batch)
        if state is not None:
            _submitted(resources, batch, state)
            return
        _rebuild(resources, batch)
    if batch.to_direct or not resources.has_batch_api:
        _take_back(resources, batch)
        return
    if _waits(resources, batch, creations.wait):
        return
    with tempfile.TemporaryFile() as spool:  # without a name: a process that is killed leaves none
        written = _write(resources, batch, spool)
        if not written:
            _move(resources, batch, OpenAIBatchStatus.SETTLED)
            return
        name = f"{INPUT_PREFIX}{batch.id}.jsonl"
        file_id = resources.openai.upload(spool, name=name, expires_after_days=FILE_DAYS)
    _move(resources, batch, OpenAIBatchStatus.UPLOADED, input_file_id=file_id)
    if _remaining(resources, batch) < written:  # a job was cancelled while we uploaded
        resources.openai.delete_file(file_id)
        _rebuild(resources, batch)
        _release(resources, batch)
        return
    _create(resources, replace(batch, input_file_id=file_id), file_id)


def _create(resources: Resources, batch: ClaimedBatch, file_id: str) -> None:
    if _waits(resources, batch, creations.take):  # others were quicker while we uploaded
        return
    metadata = {METADATA_BATCH: str(batch.id), METADATA_DEPLOYMENT: resources.deployment}
    state: BatchState | None
    try:
        state = resources.openai.create_batch(input_file_id=file_id, metadata=metadata)
    except OpenAIMeaningless as error:
        # A yes that does not say to what. Whoever asked such a server again would pay each time.
        state = _find(resources, batch)
        if state is None:
            message = f"OpenAI created a batch that cannot be found: {error}"
            failure = Failure(code="openai_outcome_unknown", message=message, retry=Retry.NEVER)
            refusals.fail(resources, batch, failure)
            return
    _submitted(resources, batch, state)


def _waits(resources: Resources, batch: ClaimedBatch, ask: Callable[..., float]) -> bool:
    """Whether the hour's creations are used up: then the batch waits, which is no vain try."""

    def record(connection: Connection) -> bool:
        seconds = ask(connection, limit=MAX_CREATIONS_AN_HOUR)
        if seconds:
            openai_batches.try_later(connection, batch, seconds=seconds, failed=False)
            _log.warning("openai_creations_used_up", openai_batch=str(batch.id), seconds=seconds)
        return seconds > 0

    return transaction(resources.engine, record)


def _adopt(resources: Resources, batch: ClaimedBatch) -> BatchState | None:
    """Find at OpenAI the batch that an earlier owner may have created, or fence it off."""
    state = _find(resources, batch)
    if state is None and batch.input_file_id is not None:
        resources.openai.delete_file(batch.input_file_id)
        state = _find(resources, batch)
    return state


def _find(resources: Resources, batch: ClaimedBatch) -> BatchState | None:
    """Look for the batch made from our file, or else from one that was sent for it before."""
    earlier = None
    for state in _listed(resources):
        if state.input_file_id and state.input_file_id == batch.input_file_id:
            return state
        if earlier is None and state.metadata.get(METADATA_BATCH) == str(batch.id):
            earlier = state
    return earlier


def _listed(resources: Resources) -> Iterator[BatchState]:
    """Every batch of the account: none at a server that takes files and knows no batches."""
    try:
        yield from resources.openai.list_batches()
    except (OpenAIRefused, OpenAIUnclear) as error:
        if resources.has_batch_api or not lacks_batch_api(error.status, str(error)):
            raise


def _write(resources: Resources, batch: ClaimedBatch, spool: IO[bytes]) -> int:
    """Write the request lines; what doesn't fit goes back to the queue. Returns the lines."""
    filling = Filling(max_requests=MAX_BATCH_REQUESTS, max_bytes=MAX_BATCH_BYTES)
    lines = size = tokens = last = 0
    with resources.engine.begin() as connection:
        for row in requests.request_rows(connection, batch.id):
            line = _line(resources, batch, row)
            if not filling.take(len(line)):
                break
            spool.write(line)
            lines, size, last = lines + 1, size + len(line), row.id
            tokens += row.estimated_tokens
    spool.flush()

    def record(connection: Connection) -> None:
        queue.hand_back(connection, batch.id, behind=last)
        openai_batches.resize(
            connection, batch, requests=lines, input_bytes=size, estimated_tokens=tokens
        )

    transaction(resources.engine, record)
    return lines


def _line(resources: Resources, batch: ClaimedBatch, row: RequestRow) -> bytes:
    body = bodies.of_request(resources.settings, batch.kind, row)
    return batch_line(custom_id(row.id, row.attempt), {**body, "model": batch.model})


def _submitted(resources: Resources, batch: ClaimedBatch, state: BatchState) -> None:
    settings = resources.settings
    # An event that came before the id was recorded found no batch: one look makes up for it.
    wait = 0.0 if settings.openai_webhook_secret else settings.openai_poll_seconds

    def record(connection: Connection) -> None:
        openai_batches.move(
            connection,
            batch,
            OpenAIBatchStatus.SUBMITTED,
            openai_id=state.id,
            **openai_batches.state_fields(state),
        )
        openai_batches.try_later(connection, batch, seconds=wait, failed=False)

    try:
        transaction(resources.engine, record)
    except IntegrityError:  # a server that lost its memory may count its batches anew
        message = f"OpenAI gave this batch the id of another one: {state.id}"
        failure = Failure(code="openai_error", message=message, retry=Retry.NEVER)
        refusals.fail(resources, batch, failure)
        return
    _log.info("openai_batch_submitted", openai_batch=str(batch.id), openai_id=state.id)


def _remaining(resources: Resources, batch: ClaimedBatch) -> int:
    with resources.engine.connect() as connection:
        return requests.submitted_count(connection, batch.id)


def _take_back(resources: Resources, batch: ClaimedBatch) -> None:
    """Give the requests of a batch that was never created back, for direct calls."""

    def record(connection: Connection) -> None:
        lanes.release(connection, batch.id, near=FALLBACK_AFTER_SECONDS)
        openai_batches.move(connection, batch, OpenAIBatchStatus.SETTLED)

    transaction(resources.engine, record)
    _log.info("openai_batch_taken_back", openai_batch=str(batch.id))


def _rebuild(resources: Resources, batch: ClaimedBatch) -> None:
    _move(resources, batch, OpenAIBatchStatus.BUILDING, input_file_id=None)


def _release(resources: Resources, batch: ClaimedBatch) -> None:
    with resources.engine.begin() as connection:
        openai_batches.try_later(connection, batch, seconds=0, failed=False)


def _move(
    resources: Resources, batch: ClaimedBatch, target: OpenAIBatchStatus, **fields: object
) -> None:
    transaction(
        resources.engine,
        lambda connection: openai_batches.move(connection, batch, target, **fields),
    )

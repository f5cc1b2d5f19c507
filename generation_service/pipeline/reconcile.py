"""Reconciling: OpenAI's batches and files compared with our rows, and mended where that is safe.

Only what is proven to be ours is touched: a batch is adopted or cancelled when it names this
deployment or was made from a file of ours, and of files only those are deleted that our rows name.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from generation_service.clients.openai_api import OpenAIRefused
from generation_service.core.openai_batch import BatchState
from generation_service.core.openai_files import INPUT_PREFIX, FileState
from generation_service.core.reconciliation import ADOPTING, Comparison, OurBatch, Pair, compare
from generation_service.core.status import OpenAIBatchStatus
from generation_service.db import batch_records, openai_batches
from generation_service.db.openai_batches import ClaimedBatch
from generation_service.pipeline.claims import claimed, renewed
from generation_service.pipeline.resources import Resources
from generation_service.pipeline.transactions import transaction

_NOT_FOUND = 404


@dataclass(slots=True)
class Done:
    """What was done, or (on a dry run) would be; `left` holds (id, why nothing was done)."""

    adopted: list[Pair] = field(default_factory=list)
    cancelled: list[Pair] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Report:
    """`unknown`: batches of ours that OpenAI does not know; `loose`: uploads no row names."""

    seen: Comparison
    unknown: list[OurBatch]
    loose: list[FileState]
    done: Done


def reconcile(resources: Resources, *, dry_run: bool, cancel_duplicates: bool) -> Report:
    """Compare and mend; OpenAICallError when OpenAI doesn't answer. May be repeated at any time."""
    # Listed first, read afterwards: what is created in between is merely not listed yet.
    listed, done = list(resources.openai.list_batches()), Done()
    files = _listed_files(resources, done)
    with resources.engine.connect() as connection:
        ours = batch_records.every(connection)
    seen = compare(listed, ours, resources.deployment)
    named = {row.input_file_id for row in ours}
    report = Report(seen, _unknown(resources, seen.unlisted), _loose(files, named), done)
    _adopt_all(resources, seen, done, dry_run=dry_run)
    if cancel_duplicates:
        _cancel_all(resources, seen, done, dry_run=dry_run)
    busy = {state.input_file_id for state in listed if not state.ended}
    _delete_files(resources, busy, done, dry_run=dry_run)
    return report


def _listed_files(resources: Resources, done: Done) -> list[FileState]:
    try:
        return list(resources.openai.list_files())
    except OpenAIRefused as error:  # not every compatible server lists its files
        done.left.append(("the list of files", str(error)))
        return []


def _unknown(resources: Resources, unlisted: Iterable[OurBatch]) -> list[OurBatch]:
    """Those OpenAI denies when asked for them; the answers of settled ones are here already."""
    return [
        row
        for row in unlisted
        if row.status is not OpenAIBatchStatus.SETTLED and not _exists(resources, row)
    ]


def _exists(resources: Resources, row: OurBatch) -> bool:
    try:
        resources.openai.retrieve_batch(row.openai_id or "")
    except OpenAIRefused as error:
        if error.status != _NOT_FOUND:
            raise
        return False
    return True


def _loose(files: Iterable[FileState], named: Collection[str | None]) -> list[FileState]:
    """Uploads that are called like ours: perhaps lost by a crash, perhaps somebody else's."""
    return [
        file for file in files if file.filename.startswith(INPUT_PREFIX) and file.id not in named
    ]


def _adopt_all(resources: Resources, seen: Comparison, done: Done, *, dry_run: bool) -> None:
    for row, state in seen.adoptable:
        why_not = None if dry_run else _adopt(resources, row, state)
        if why_not is None:
            done.adopted.append((row, state))
        else:
            done.left.append((state.id, why_not))


def _adopt(resources: Resources, row: OurBatch, state: BatchState) -> str | None:
    """Have the row go on with the batch; returns why it can't."""
    batch = claimed(resources, ADOPTING, only=UUID(row.id))
    if batch is None:
        return "the service is working on its row"
    adopted = False
    with renewed(resources, batch, lambda: True):
        if batch.input_file_id not in {None, state.input_file_id}:
            # The fence: a creation from the other file that is still on its way must fail.
            resources.openai.delete_file(batch.input_file_id or "")
        try:
            transaction(resources.engine, lambda connection: _submitted(connection, batch, state))
        except IntegrityError:
            return "another row has taken its id"
        adopted = True
    return None if adopted else "the service has taken its row over"


def _submitted(connection: Connection, batch: ClaimedBatch, state: BatchState) -> None:
    if batch.status is OpenAIBatchStatus.BUILDING:
        openai_batches.move(connection, batch, OpenAIBatchStatus.UPLOADED)
    openai_batches.move(
        connection,
        batch,
        OpenAIBatchStatus.SUBMITTED,
        openai_id=state.id,
        input_file_id=state.input_file_id,
        **openai_batches.state_fields(state),
    )
    openai_batches.try_later(connection, batch, seconds=0, failed=False)


def _cancel_all(resources: Resources, seen: Comparison, done: Done, *, dry_run: bool) -> None:
    known = {row.id for row, _ in [*seen.known, *done.adopted]}
    for row, state in seen.duplicates:
        if state.ended:
            done.left.append((state.id, f"it has ended already, as {state.status}"))
        elif row.id not in known:
            done.left.append((state.id, "which of its row's batches counts is not known yet"))
        else:
            _cancel(resources, row, state, done, dry_run=dry_run)


def _cancel(
    resources: Resources, row: OurBatch, state: BatchState, done: Done, *, dry_run: bool
) -> None:
    try:
        if not dry_run:
            resources.openai.cancel_batch(state.id)
    except OpenAIRefused as error:
        done.left.append((state.id, str(error)))
    else:
        done.cancelled.append((row, state))


def _delete_files(
    resources: Resources, busy: Collection[str | None], done: Done, *, dry_run: bool
) -> None:
    """Delete input files whose batches are settled, unless OpenAI still works from them."""
    with resources.engine.connect() as connection:
        files = batch_records.input_files(connection)
    for batch_id, file_id in files:
        if file_id not in busy:
            _delete(resources, batch_id, file_id, done, dry_run=dry_run)


def _delete(
    resources: Resources, batch_id: UUID, file_id: str, done: Done, *, dry_run: bool
) -> None:
    try:
        if not dry_run:
            resources.openai.delete_file(file_id)
            with resources.engine.begin() as connection:
                batch_records.input_file_deleted(connection, batch_id)
    except OpenAIRefused as error:
        done.left.append((file_id, str(error)))
    else:
        done.deleted.append(file_id)

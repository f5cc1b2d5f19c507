"""Reingesting: answers that were paid for and never recorded are brought in after all.

Lines that counted as missing, a file that could not be read and has come back, a batch that was
given up and ended nevertheless: where the files of a settled OpenAI batch hold a usable answer to
the very attempt that failed, the request goes back to that batch in a new run of its job, and the
batch to the stage that collects. Nothing is asked of OpenAI again but to read.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

from sqlalchemy import Connection

from generation_service.clients.openai_api import OpenAIRefused
from generation_service.core.openai_batch import BatchState
from generation_service.core.reconciliation import OurBatch, compare
from generation_service.core.rescue import Fate, fate
from generation_service.core.status import JOB_RETRY_SOURCES, JobStatus, OpenAIBatchStatus
from generation_service.core.verdicts import Done, judge
from generation_service.db import batch_records, descriptions, jobs, rescue
from generation_service.pipeline.answers import answers
from generation_service.pipeline.resources import Resources
from generation_service.pipeline.settle import Answer
from generation_service.pipeline.transactions import transaction

_LINES = 500
_GONE = frozenset({400, 404, 410})
_RETRYABLE = frozenset(status.value for status in JOB_RETRY_SOURCES[JobStatus.PROCESSING])


class RescueError(Exception):
    """Why an operator's wish is refused, as a sentence."""


@dataclass(slots=True)
class Findings:
    """What a batch's files hold: usable answers by their fate, and lines without one."""

    openai_id: str
    openai_status: str
    fates: Counter[Fate] = field(default_factory=Counter)
    useless: int = 0
    lost_files: list[str] = field(default_factory=list)
    runs: dict[UUID, int] = field(default_factory=dict)
    """The runs that were begun, by job."""


def reingest(resources: Resources, batch_id: str, *, dry_run: bool) -> Findings:
    """Bring in what the batch with this id (OpenAI's or ours) holds; RescueError says why not."""
    row, state = _found(resources, batch_id)
    if row.status is not OpenAIBatchStatus.SETTLED:
        raise RescueError(
            f"Our OpenAI batch {row.id} is {row.status.value}: the service records its answers "
            "itself. Only a settled one can be read again."
        )
    if not state.ended:
        raise RescueError(
            f"OpenAI batch {state.id} is {state.status}: try again when it has ended."
        )
    findings = Findings(state.id, state.status)
    rescued = list(_rescued(resources, UUID(row.id), state, findings))
    if rescued and not dry_run:
        findings.runs = transaction(
            resources.engine,
            lambda connection: _take_back(connection, UUID(row.id), state, rescued),
        )
    return findings


def _found(resources: Resources, batch_id: str) -> tuple[OurBatch, BatchState]:
    with resources.engine.connect() as connection:
        row = batch_records.find(connection, batch_id)
        ours = [row] if row else batch_records.every(connection)
    if row and row.openai_id:
        return row, _asked(resources, row.openai_id)
    listed = resources.openai.list_batches() if row else [_asked(resources, batch_id)]
    seen = compare(listed, ours, resources.deployment)
    if pairs := [*seen.unrecorded, *seen.adoptable]:
        return pairs[0]
    if seen.duplicates and not row:
        raise RescueError(
            f"OpenAI batch {batch_id} is a duplicate of {seen.duplicates[0][0].openai_id}, which "
            "our row names: see `openai reconcile`."
        )
    raise RescueError(
        f"OpenAI has no batch for our {row.id}." if row else f"OpenAI batch {batch_id} isn't ours."
    )


def _asked(resources: Resources, openai_id: str) -> BatchState:
    try:
        return resources.openai.retrieve_batch(openai_id)
    except OpenAIRefused as error:
        if error.status in _GONE:
            raise RescueError(f"OpenAI knows no batch {openai_id}: {error.message}") from error
        raise


def _rescued(
    resources: Resources, batch_id: UUID, state: BatchState, findings: Findings
) -> Iterator[int]:
    """The requests that can have their answer; everything that was seen is counted."""
    found = _usable(resources, batch_id, state, findings)
    while chunk := list(islice(found, _LINES)):
        with resources.engine.connect() as connection:
            asked = rescue.asked(connection, batch_id, {answer.description for answer in chunk})
        for answer in chunk:
            its = fate(asked.get(answer.description), answer.attempt, _RETRYABLE)
            findings.fates[its] += 1
            if its is Fate.RESCUED:
                yield answer.description


def _usable(
    resources: Resources, batch_id: UUID, state: BatchState, findings: Findings
) -> Iterator[Answer]:
    """Each request's first answer, as it counts when it is collected, if it holds a text."""
    seen: set[tuple[int, int]] = set()
    for file_id in filter(None, (state.output_file_id, state.error_file_id)):
        for answer in _readable(resources, batch_id, file_id, findings):
            request = answer.description, answer.attempt
            if request not in seen:
                seen.add(request)
                verdict = judge(answer.reply, attempt=answer.attempt, larger=True, reprobed=True)
                if isinstance(verdict, Done):
                    yield answer
                else:
                    findings.useless += 1


def _readable(
    resources: Resources, batch_id: UUID, file_id: str, findings: Findings
) -> Iterator[Answer]:
    try:
        yield from answers(resources, batch_id, file_id)
    except OpenAIRefused as error:
        if error.status not in _GONE:
            raise
        findings.lost_files.append(file_id)


def _take_back(
    connection: Connection, batch_id: UUID, state: BatchState, ids: list[int]
) -> dict[UUID, int]:
    jobs.lock(connection, descriptions.jobs_of(connection, ids))
    runs = rescue.begin_runs(connection, batch_id, ids)
    if not rescue.reopen(connection, batch_id, state):
        raise RescueError(f"Somebody else is bringing OpenAI batch {state.id} in.")
    return runs

"""Collecting: every request of an ended OpenAI batch settled, from its files and from absence.

Order in the files means nothing and counts can lie: lines are matched by `custom_id`, each recorded
only where its description still waits for this batch. So a file may be read again from the start,
by whoever goes on after a crash.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import islice

import structlog
from sqlalchemy import Connection

from generation_service.clients.openai_api import OpenAIRefused, OpenAIUnclear
from generation_service.core import batch_faults
from generation_service.core.replies import Failure, Retry, read_line
from generation_service.core.requests import read_custom_id
from generation_service.core.status import OpenAIBatchStatus
from generation_service.core.token_estimates import Usage
from generation_service.db import model_limits, openai_batches, token_estimates
from generation_service.db.openai_batches import ClaimedBatch
from generation_service.pipeline import refusals, tariffs
from generation_service.pipeline.answers import answers
from generation_service.pipeline.claims import claimed, renewed
from generation_service.pipeline.resources import Beat, Resources
from generation_service.pipeline.settle import Answer, record_answers, settle_rest
from generation_service.pipeline.transactions import transaction
from generation_service.telemetry import openai_errors

_log = structlog.get_logger()
_LINES_A_TRANSACTION = 500
_MIN_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 900.0
_FILE_TRIES = 3
CANCELLED = "openai_cancelled"
_GONE = frozenset({400, 404, 410})


def tick(resources: Resources, beat: Beat) -> bool:
    """Collect one ended OpenAI batch; False when there was none."""
    batch = claimed(resources, [OpenAIBatchStatus.COLLECTING])
    if batch is None:
        return False
    with renewed(resources, batch, beat), refusals.waited_out(resources, batch):
        try:
            _collect(resources, batch)
        except OpenAIRefused as error:
            refusals.wait(resources, batch, str(error), at_least=error.retry_after or 0.0)
    return True


def _collect(resources: Resources, batch: ClaimedBatch) -> None:
    files = [batch.output_file_id, batch.error_file_id]
    usages = [_read_file(resources, batch, file_id) for file_id in files if file_id]
    if batch.openai_status == "failed":  # some servers fail a batch that has answers already
        _rejected(resources, batch)
    settle_rest(resources.engine, batch, batch_faults.unanswered(batch.openai_status))

    def settled(connection: Connection) -> None:
        openai_batches.move(connection, batch, OpenAIBatchStatus.SETTLED)
        simulated = bool(resources.openai.simulated)
        usage = sum(usages, Usage())
        token_estimates.learn(connection, batch.model, batch.kind, usage, simulated=simulated)

    transaction(resources.engine, settled)
    _log.info("openai_batch_settled", openai_batch=str(batch.id), openai_id=batch.openai_id)


def _read_file(resources: Resources, batch: ClaimedBatch, file_id: str) -> Usage:
    found = answers(resources, batch.id, file_id)
    tariff = tariffs.of_batch(resources.settings, batch)
    usage, empty = Usage(), file_id == batch.output_file_id
    try:
        while chunk := list(islice(found, _LINES_A_TRANSACTION)):
            record = partial(record_answers, batch=batch, answers=chunk, tariff=tariff)
            recorded = transaction(resources.engine, record)
            usage += recorded.usage
            empty = False
            _tell_failures(recorded.failures)
    except OpenAIRefused as error:  # the file is gone: what it held counts as missing
        if error.status not in _GONE or batch.tries < _FILE_TRIES:
            raise
        _log.error("openai_file_lost", file_id=file_id, reason=str(error))
    if empty and batch.tries < _FILE_TRIES:  # then it would have no id: its lines are paid for
        raise OpenAIUnclear("The output file holds no answer.")
    return usage


def _tell_failures(codes: Counter[str]) -> None:
    """Count what OpenAI did not answer; what was cancelled was cancelled by us."""
    del codes[CANCELLED]
    for code, times in codes.items():
        openai_errors.note(code, times)
    if codes:
        _log.error("openai_lines_failed", codes=dict(codes))


def _rejected(resources: Resources, batch: ClaimedBatch) -> None:
    """The batch failed its validation: blame the named lines, try the innocent again."""
    named, rest = batch_faults.validation_failures(batch.errors)
    blamed = _blamed(resources, batch, named)
    if blamed:
        tariff = tariffs.of_batch(resources.settings, batch)
        transaction(
            resources.engine,
            lambda connection: record_answers(connection, batch, blamed, tariff),
        )
    elif named:  # nobody knows whose line it was, so that for everyone this try counts
        _, rest = batch_faults.validation_failures(
            [{**each, "line": None} for each in batch.errors]
        )
    _learn_limit(resources, batch)
    if batch.requests == 1 and batch_faults.outgrows_limit(batch.errors, batch.estimated_tokens):
        rest = replace(rest, retry=Retry.AGAIN)  # it can't be made smaller: no waiting for ever
    settle_rest(resources.engine, batch, rest)


def _blamed(
    resources: Resources, batch: ClaimedBatch, named: Mapping[int, Failure]
) -> list[Answer]:
    """The failures of the named lines, counted from 1; only the file itself tells whose they are.

    The rows would not: some may have been cancelled before it was written, or queued again since.
    """
    if not (named and batch.input_file_id) or batch.tries >= _FILE_TRIES:
        return []
    texts = enumerate(resources.openai.file_lines(batch.input_file_id), start=1)
    lines = [(named[number], read_line(text)) for number, text in texts if number in named]
    requests = [(failure, line and read_custom_id(line.custom_id)) for failure, line in lines]
    return [Answer(*request, failure) for failure, request in requests if request]


def _learn_limit(resources: Resources, batch: ClaimedBatch) -> None:
    if any(fault.get("code") == batch_faults.TOKEN_LIMIT for fault in batch.errors):
        limit = batch_faults.enqueued_limit(batch.errors)
        pause = max(_MIN_PAUSE_SECONDS, resources.settings.openai_poll_seconds)
        transaction(
            resources.engine,
            lambda connection: model_limits.learn(
                connection,
                batch.model,
                limit=limit,
                pause_seconds=pause,
                longest_pause_seconds=_LONGEST_PAUSE_SECONDS,
            ),
        )

"""What follows when OpenAI says no, or nothing, to an OpenAI batch as a whole.

Passing trouble is waited out with growing pauses. A clear no to what we sent fails the requests
with OpenAI's own words, so that no job waits for what will never come.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import structlog
from sqlalchemy import Connection

from generation_service.clients.openai_api import OpenAIRefused, OpenAIUnclear, OpenAIUnreachable
from generation_service.core.limits import BATCH_WINDOW_HOURS
from generation_service.core.openai_errors import Failure, Retry
from generation_service.core.status import OpenAIBatchStatus
from generation_service.core.verdicts import LONGEST_TOLD_SECONDS
from generation_service.db import openai_batches
from generation_service.db.availability import is_unavailable
from generation_service.db.openai_batches import ClaimedBatch
from generation_service.db.statements import LeaseLostError
from generation_service.pipeline import settle
from generation_service.pipeline.resources import Resources
from generation_service.pipeline.transactions import transaction

_log = structlog.get_logger()

FIRST_WAIT_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 300.0
DENIED = frozenset({401, 403})
DENIED_PATIENCE_SECONDS = 900.0
"""A wrong key or an empty account can be mended for this long before jobs fail."""
PATIENCE_SECONDS = BATCH_WINDOW_HOURS * 3600.0
PATIENT_TRIES = 9
"""So many vain tries in a row, a quarter of an hour of them, come before anything fails: a hitch
late in the life of an OpenAI batch must not cost its finished lines."""
PASSING = frozenset({408, 409, 425, 429})
REBUILDS = 2
"""A rejected file is written and sent anew this often: it may only have vanished at OpenAI.
Vain tries of other kinds don't count: they say nothing against the file."""
Errors = Sequence[Mapping[str, object]]


@contextmanager
def waited_out(resources: Resources, batch: ClaimedBatch) -> Iterator[None]:
    """Give the batch back for a while when the block meets trouble, its own faults included.

    Whatever goes wrong with one batch, the next ones get their turn, and in the end it fails.
    Only the database's own trouble is passed on: nothing could be recorded then.
    """
    try:
        yield
    except (OpenAIUnclear, OpenAIUnreachable) as error:
        wait(resources, batch, str(error))
    except LeaseLostError:
        raise
    except Exception as error:  # one batch's trouble must not stop the others
        if is_unavailable(error):
            raise
        _log.exception("openai_batch_stuck", openai_batch=str(batch.id))
        wait(resources, batch, f"a fault of the service, {type(error).__name__}")


def wait(
    resources: Resources,
    batch: ClaimedBatch,
    reason: str,
    *,
    at_least: float = 0.0,
    errors: Errors | None = None,
) -> None:
    """Give the batch back for a while that doubles with each vain try, at most for about a day.

    `errors` is all that OpenAI has said of the batch so far, where it has said something new.
    """
    if _is_out_of_patience(batch, PATIENCE_SECONDS):
        message = f"OpenAI gave no answer that helps, however often it was asked: {reason}"
        fail(resources, batch, Failure(code="openai_error", message=message, retry=Retry.NEVER))
        return
    usual = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**batch.tries)
    seconds = max(usual, min(at_least, LONGEST_TOLD_SECONDS))
    _log.warning("openai_batch_waits", openai_batch=str(batch.id), reason=reason, seconds=seconds)

    def record(connection: Connection) -> None:
        if errors is not None:
            openai_batches.record_errors(connection, batch, errors)
        openai_batches.try_later(connection, batch, seconds=seconds, failed=True)

    transaction(resources.engine, record)


def submission_refused(resources: Resources, batch: ClaimedBatch, error: OpenAIRefused) -> None:
    """OpenAI refused an upload, a listing or a creation."""
    exhausted = error.status in DENIED or error.failure.code == "openai_quota_exhausted"
    errors = list(batch.errors)
    if exhausted:
        patient = not _is_out_of_patience(batch, DENIED_PATIENCE_SECONDS)
    else:
        patient = error.status in PASSING or len(errors) < REBUILDS
        errors += [] if error.status in PASSING else [{"code": error.code, "message": str(error)}]
    if patient:
        wait(resources, batch, str(error), at_least=error.retry_after or 0.0, errors=errors)
    else:
        message = f"OpenAI does not take these requests: {error}"
        fail(resources, batch, replace(error.failure, message=message))


def _is_out_of_patience(batch: ClaimedBatch, seconds: float) -> bool:
    return batch.age > seconds and batch.tries >= PATIENT_TRIES


def fail(resources: Resources, batch: ClaimedBatch, failure: Failure) -> None:
    """Fail every request that is still in the batch, and settle it."""
    final = Failure(code=failure.code, message=failure.message, retry=Retry.NEVER)
    settle.settle_rest(resources.engine, batch, final)
    transaction(
        resources.engine,
        lambda connection: openai_batches.move(connection, batch, OpenAIBatchStatus.SETTLED),
    )
    _log.error(
        "openai_batch_failed",
        openai_batch=str(batch.id),
        code=failure.code,
        reason=failure.message,
    )

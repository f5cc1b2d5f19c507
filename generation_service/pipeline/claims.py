"""Claiming OpenAI batches, for the three stages that work on them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID, uuid4

import structlog
from structlog.contextvars import bound_contextvars

from generation_service.core.limits import LEASE_SECONDS
from generation_service.core.status import OpenAIBatchStatus
from generation_service.db import openai_batches
from generation_service.db.openai_batches import ClaimedBatch
from generation_service.db.statements import LeaseLostError
from generation_service.pipeline.lease import Renewal
from generation_service.pipeline.resources import Beat, Resources
from generation_service.pipeline.transactions import transaction
from generation_service.telemetry import openai_errors

_log = structlog.get_logger()


def claimed(
    resources: Resources, states: Sequence[OpenAIBatchStatus], only: UUID | None = None
) -> ClaimedBatch | None:
    """Claim an OpenAI batch that is due in one of the states, or `only` this one, due or not."""
    token = uuid4()
    return transaction(
        resources.engine,
        lambda connection: openai_batches.claim(
            connection, states, token=token, lease_seconds=LEASE_SECONDS, only=only
        ),
    )


@contextmanager
def renewed(resources: Resources, batch: ClaimedBatch, beat: Beat) -> Iterator[None]:
    """Keep the claim alive inside a `with` block; every call in it has a deadline of its own.

    The block ends early, and quietly, where it finds that another process took the batch over.
    """

    def renew() -> None:
        with resources.engine.begin() as connection:
            openai_batches.renew(connection, batch, LEASE_SECONDS)
        beat()

    names = {"openai_batch": str(batch.id), "openai_id": batch.openai_id}
    with bound_contextvars(**names), Renewal(renew), openai_errors.asked_for(batch.kind):
        try:
            yield
        except LeaseLostError as error:
            _log.warning("lease_lost", reason=str(error))

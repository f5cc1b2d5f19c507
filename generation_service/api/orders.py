"""Each order is answered once; its repetitions get the same answer (docs/api.md §3)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from structlog.contextvars import bind_contextvars

from generation_service.api import validation
from generation_service.api.database import request_transaction
from generation_service.api.intake import Order
from generation_service.api.limits import Kind, RateLimits
from generation_service.api.slots import Slots
from generation_service.core.errors import ServiceError
from generation_service.core.idempotency import Identity
from generation_service.pipeline import repeat
from generation_service.pipeline.accept import accept
from generation_service.pipeline.describe_once import describe_once
from generation_service.pipeline.repeat import Answer
from generation_service.pipeline.resources import Resources
from generation_service.telemetry import metrics

_LOOKS: Final = 3


class Orders:
    """Answers orders of clients, whoever brought them here."""

    def __init__(self, resources: Resources, limits: RateLimits, slots: Slots) -> None:
        self._resources = resources
        self._limits = limits
        self._slots = slots

    def answer(self, wanted: Identity, order: Order) -> Answer:
        """Look for an earlier answer, else work; look again if another request was quicker."""
        kind, began = _kind(order), time.monotonic()
        for _ in range(_LOOKS):
            answer = self._earlier(wanted, kind) or self._new(wanted, kind, order)
            if answer is not None:
                if job_id := answer.document.get("job_id"):
                    bind_contextvars(job=job_id)
                seconds = time.monotonic() - began
                metrics.generation_answered(kind, seconds, replayed=answer.replayed)
                return answer
        raise repeat.in_progress()

    def _earlier(self, wanted: Identity, kind: Kind) -> Answer | None:
        """The earlier request's answer, or its error: either is a polling request.

        None when there is work to do, and the limit allows it.
        """
        with request_transaction(self._resources.engine) as connection:
            found = repeat.known(connection, wanted)
            if found is None:
                self._limits.look(connection, wanted.client, kind)
            else:
                self._limits.hit(connection, wanted.client, Kind.POLLING)
        if isinstance(found, ServiceError):
            raise found
        return found

    def _new(self, wanted: Identity, kind: Kind, order: Order) -> Answer | None:
        settings = self._resources.settings
        work = validation.generation_request(
            order,
            max_descriptions=settings.max_job_descriptions,
            allowed_private=settings.allowed_private_hosts,
        )
        admit = partial(self._limits.hit, client=wanted.client, kind=kind)
        if kind is Kind.BATCH:
            return accept(self._resources, wanted, work, admit)
        bind_contextvars(lot=work.lots.first.lot_id)
        with self._slots.answer(), _failures_counted(kind):
            return describe_once(self._resources, wanted, work, admit)


@contextmanager
def _failures_counted(kind: Kind) -> Iterator[None]:
    """Count what OpenAI fails, too: it was taken on, and the client may have paid for it."""
    try:
        yield
    except ServiceError as error:
        if error.code.startswith("openai_"):
            metrics.generation_failed(kind)
        raise


def _kind(order: Order) -> Kind:
    """One lot is described at once, more are a job; what is no list is a 400 later."""
    return Kind.BATCH if order.lots.count > 1 else Kind.SYNC

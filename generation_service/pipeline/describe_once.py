"""One lot, described once however often the request comes.

The request's row is held under a lease while OpenAI is asked, so that a crash frees it within
seconds. What a call that was cut off may have cost is then unknown: it is the client's repetition
that asks again, never the service by itself.
"""

from functools import partial

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from generation_service.core import described as texts
from generation_service.core.described import Described
from generation_service.core.idempotency import Identity, State
from generation_service.core.limits import LEASE_SECONDS
from generation_service.core.lots import GenerationRequest
from generation_service.db import idempotency
from generation_service.db.idempotency import Claim, Outcome
from generation_service.pipeline import repeat
from generation_service.pipeline.describe import describe
from generation_service.pipeline.lease import Renewal
from generation_service.pipeline.repeat import Admit, Answer
from generation_service.pipeline.resources import Resources
from generation_service.pipeline.transactions import kept, request_transaction

_OK = 200

_log = structlog.get_logger()


def describe_once(
    resources: Resources, identity: Identity, request: GenerationRequest, admit: Admit
) -> Answer | None:
    """Describe the lot, or what an earlier answer lacks; None when another request is at it."""
    claim = request_transaction(
        resources.engine, lambda connection: repeat.claim(connection, identity)
    )
    if claim is None:
        return None
    described = _describe(resources, claim, request, admit)
    document = texts.document(request, described)
    _record(resources, claim, described, document)
    return Answer(_OK, document)


def _describe(
    resources: Resources, claim: Claim, request: GenerationRequest, admit: Admit
) -> Described:
    def renew() -> None:
        with resources.engine.begin() as connection:
            idempotency.renew(connection, claim, LEASE_SECONDS)

    so_far = None if claim.unfinished is None else texts.from_unfinished(claim.unfinished)
    try:
        with Renewal(renew):
            return describe(
                resources,
                request,
                so_far,
                partial(request_transaction, resources.engine, admit),
                client=claim.identity.client,
            )
    except BaseException:
        _release(resources, claim)
        raise


def _release(resources: Resources, claim: Claim) -> None:
    """Errors are not replayed: the next request tries again."""

    def release(connection: Connection) -> None:
        idempotency.release(connection, claim)

    try:
        request_transaction(resources.engine, release)
    except SQLAlchemyError:  # the lease ends by itself, and the client must see the first error
        _log.warning("request_not_released", exc_info=True)


def _record(
    resources: Resources, claim: Claim, described: Described, document: dict[str, object]
) -> None:
    outcome = Outcome(
        state=State.DONE if described.complete else State.UNFINISHED,
        status_code=_OK,
        answer=document if described.complete else texts.unfinished(described),
    )
    try:
        recorded = kept(
            resources.engine,
            lambda connection: idempotency.record(connection, claim, outcome),
        )
    except SQLAlchemyError:  # the answer is paid for: with an error the client would order it anew
        _log.exception("answer_not_kept")
        return
    if not recorded:
        _log.warning("lease_lost", reason="another request of the same identity has taken over")

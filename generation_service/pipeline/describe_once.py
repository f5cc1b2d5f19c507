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
from generation_service.core.lanes import Lane
from generation_service.core.limits import LEASE_SECONDS
from generation_service.core.lots import GenerationRequest
from generation_service.db import idempotency
from generation_service.db.idempotency import Claim, Outcome
from generation_service.pipeline import estimate, repeat, tariffs
from generation_service.pipeline.bill import Bill
from generation_service.pipeline.describe import describe
from generation_service.pipeline.lease import Renewal
from generation_service.pipeline.repeat import Admit, Answer
from generation_service.pipeline.resources import Resources
from generation_service.pipeline.transactions import kept, request_transaction
from generation_service.pipeline.unbooked import Booking

_OK = 200

_log = structlog.get_logger()


def describe_once(
    resources: Resources, identity: Identity, request: GenerationRequest, admit: Admit
) -> Answer | None:
    """Describe the lot, or what an earlier answer lacks; None when another request is at it.

    ServiceError `cost_limit_exceeded` when it is estimated to cost too much; what an earlier answer
    lacks is asked for whatever the limit, or what was paid for it would be lost.
    """

    def begin(connection: Connection) -> Claim | None:
        claim = repeat.claim(connection, identity)
        new = claim is not None and claim.unfinished is None
        if new and estimate.is_limited(resources.settings, request):
            estimate.within_limit(connection, resources, request)  # or the claim is rolled back
        return claim

    claim = request_transaction(resources.engine, begin)
    if claim is None:
        return None
    bill = Bill(identity.client, tariffs.of_calls(resources.settings, Lane.SYNC))
    described = _describe(resources, claim, request, admit, bill)
    document = texts.document(request, described)
    _record(resources, claim, described, document, bill)
    return Answer(_OK, document, billed=bill.tallies())


def _describe(
    resources: Resources, claim: Claim, request: GenerationRequest, admit: Admit, bill: Bill
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
                bill,
            )
    except BaseException:
        _release(resources, claim, bill)
        raise


def _release(resources: Resources, claim: Claim, bill: Bill) -> None:
    """Errors are not replayed: the next request tries again."""
    booking = Booking(bill.tallies())

    def release(connection: Connection) -> None:
        idempotency.release(connection, claim)
        booking.book(connection)

    try:
        request_transaction(resources.engine, release)
    except SQLAlchemyError:  # the lease ends by itself, and the client must see the first error
        told = booking.failed(resources.unbooked)
        _log.warning("request_not_released", exc_info=True, **told)


def _record(
    resources: Resources,
    claim: Claim,
    described: Described,
    document: dict[str, object],
    bill: Bill,
) -> None:
    outcome = Outcome(
        state=State.DONE if described.complete else State.UNFINISHED,
        status_code=_OK,
        answer=document if described.complete else texts.unfinished(described),
    )
    booking = Booking(bill.tallies())

    def record(connection: Connection) -> bool:
        recorded = idempotency.record(connection, claim, outcome)
        # An earlier try that was committed unbeknown to us has booked it; then nothing is recorded.
        if recorded or not booking.unclear:
            booking.book(connection)
        return recorded

    try:
        recorded = kept(resources.engine, record)
    except SQLAlchemyError:  # the answer is paid for: with an error the client would order it anew
        _log.exception("answer_not_kept", **booking.failed(resources.unbooked))
        return
    if not recorded:
        _log.warning("lease_lost", reason="another request of the same identity has taken over")

"""POST /generate-descriptions and /test-image-validation (docs/api.md §3 and §4)."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import BoundedSemaphore
from typing import Final

from flask import Blueprint, Request, Response, request

from generation_service.api import validation
from generation_service.api.body import BodyReader, json_refused
from generation_service.api.database import request_transaction
from generation_service.api.documents import Document
from generation_service.api.guards import Guards, Sender
from generation_service.api.intake import LOTS, Order, receive
from generation_service.api.limits import Kind, RateLimits
from generation_service.api.lot_spool import LotSpool
from generation_service.api.responses import json_response
from generation_service.core.errors import ServiceError
from generation_service.core.idempotency import Identity, InvalidKeyError, identity
from generation_service.core.images import too_few
from generation_service.core.signatures import canonical_json
from generation_service.pipeline import repeat
from generation_service.pipeline.accept import accept
from generation_service.pipeline.describe_once import describe_once
from generation_service.pipeline.repeat import Answer
from generation_service.pipeline.resources import Resources

BUSY_RETRY_SECONDS: Final = 10
KEY_HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotent-Replayed"
SIGNATURE: Final = "signature"
URLS: Final = "urls"
ANYONE: Final = ":anyone"
"""Who asks without a signature; no client has such a name."""

_LOOKS: Final = 3


def blueprint(
    resources: Resources, guards: Guards, limits: RateLimits, bodies: BodyReader
) -> Blueprint:
    routes = Blueprint("generate", __name__, url_prefix="/api/v1")
    settings = resources.settings
    slots = BoundedSemaphore(settings.max_sync_per_process)
    orders = _Orders(resources, limits, slots)

    @routes.post("/generate-descriptions")
    def generate() -> Response:
        signature = guards.body_signature(request)
        with LotSpool() as spool:
            with bodies.text(request, signature.sent) as text, json_refused():
                order = receive(text, spool, signature.signed)
            signature.presented = order.members.get(SIGNATURE)
            sender = guards.body_client(request, signature, LOTS)
            return _respond(orders.answer(_identity(request, order, sender), order))

    @routes.post("/test-image-validation")
    def test_image_validation() -> Response:
        signature = guards.body_signature(request)
        members = bodies.json_object(request, signature.sent)
        client = ANYONE
        if settings.allow_unsigned_image_validation:
            guards.anyone(request)
        else:
            signature.signed(canonical_json(members.get(URLS)))
            signature.presented = members.get(SIGNATURE)
            client = guards.body_client(request, signature, URLS).client
            limits.poll(client)
        urls = validation.validation_urls(members)
        with _one_of(slots):
            return json_response(_check_images(resources, urls, client))

    return routes


def _identity(request: Request, order: Order, sender: Sender) -> Identity:
    try:
        return identity(
            order.members,
            order.lots_hash,
            client=sender.client,
            header=request.headers.get(KEY_HEADER),
            signature=sender.signature,
        )
    except InvalidKeyError as error:
        raise validation.invalid([(KEY_HEADER, str(error))]) from None


def _respond(answer: Answer) -> Response:
    headers = {REPLAYED_HEADER: "true"} if answer.replayed else {}
    return json_response(answer.document, answer.status, headers)


class _Orders:
    """Answers each order once; its repetitions get the same answer."""

    def __init__(self, resources: Resources, limits: RateLimits, slots: BoundedSemaphore) -> None:
        self._resources = resources
        self._limits = limits
        self._slots = slots

    def answer(self, wanted: Identity, order: Order) -> Answer:
        """Look for an earlier answer, else work; look again if another request was quicker."""
        kind = _kind(order)
        for _ in range(_LOOKS):
            answer = self._earlier(wanted, kind) or self._new(wanted, kind, order)
            if answer is not None:
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
        with _one_of(self._slots):
            return describe_once(self._resources, wanted, work, admit)


def _kind(order: Order) -> Kind:
    """One lot is described at once, more are a job; what is no list is a 400 later."""
    return Kind.BATCH if order.lots.count > 1 else Kind.SYNC


@contextmanager
def _one_of(slots: BoundedSemaphore) -> Iterator[None]:
    """Only so many slow answers at once: the other threads stay free for polling and health."""
    if not slots.acquire(blocking=False):
        raise ServiceError(
            "busy",
            "All slots for synchronous requests are taken; send the request again.",
            retry_after=BUSY_RETRY_SECONDS,
        )
    try:
        yield
    finally:
        slots.release()


def _check_images(resources: Resources, urls: list[str], client: str) -> Document:
    checks = dict(resources.prober.check(urls, patient=False, asker_of=lambda _url: client))
    missing = [url for url in urls if not checks[url].reachable]
    return {
        "valid_urls": [url for url in urls if checks[url].reachable],
        "unreachable_urls": missing,
        "threshold_met": too_few(urls, missing, resources.settings.image_threshold) is None,
        "reasons": {url: checks[url].reason for url in missing},
    }

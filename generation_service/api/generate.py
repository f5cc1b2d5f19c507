"""POST /generate-descriptions, /estimate and /test-image-validation (docs/api.md §3 and §4)."""

from typing import Final

from flask import Blueprint, Request, Response, request

from generation_service.api import validation
from generation_service.api.body import BodyReader, json_refused
from generation_service.api.database import request_transaction
from generation_service.api.documents import Document
from generation_service.api.guards import Guards, Sender
from generation_service.api.intake import LOTS, Order, receive
from generation_service.api.limits import RateLimits
from generation_service.api.lot_spool import LotSpool
from generation_service.api.orders import Orders
from generation_service.api.responses import json_response
from generation_service.api.slots import Slots
from generation_service.core.idempotency import Identity, InvalidKeyError, identity
from generation_service.core.images import too_few
from generation_service.core.limits import MAX_VALIDATION_BYTES
from generation_service.core.signatures import canonical_json
from generation_service.pipeline.estimate import estimate
from generation_service.pipeline.repeat import Answer
from generation_service.pipeline.resources import Resources

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotent-Replayed"
SIGNATURE: Final = "signature"
URLS: Final = "urls"
ANYONE: Final = ":anyone"
"""Who asks without a signature; no client has such a name."""


def blueprint(
    resources: Resources, guards: Guards, limits: RateLimits, bodies: BodyReader, slots: Slots
) -> Blueprint:
    routes = Blueprint("generate", __name__, url_prefix="/api/v1")
    settings = resources.settings
    orders = Orders(resources, limits, slots)

    def received(spool: LotSpool) -> tuple[Sender, Order]:
        signature = guards.body_signature(request)
        with bodies.text(request, signature.sent) as text, json_refused():
            order = receive(text, spool, signature.signed)
        signature.presented = order.members.get(SIGNATURE)
        return guards.body_client(request, signature, LOTS), order

    @routes.post("/generate-descriptions")
    def generate() -> Response:
        with LotSpool() as spool:
            sender, order = received(spool)
            return _respond(orders.answer(_identity(request, order, sender), order))

    @routes.post("/estimate")
    def estimate_order() -> Response:
        with LotSpool() as spool:
            sender, order = received(spool)
            limits.poll(sender.client)
            work = validation.generation_request(
                order,
                max_descriptions=settings.max_job_descriptions,
                allowed_private=settings.allowed_private_hosts,
            )
            with request_transaction(resources.engine) as connection:
                return json_response(estimate(connection, resources, work).document())

    @routes.post("/test-image-validation")
    def test_image_validation() -> Response:
        signature = guards.body_signature(request)
        members = bodies.limited_to(MAX_VALIDATION_BYTES).json_object(request, signature.sent)
        client = ANYONE
        if settings.allow_unsigned_image_validation:
            guards.anyone(request)
        else:
            signature.signed(canonical_json(members.get(URLS)))
            signature.presented = members.get(SIGNATURE)
            client = guards.body_client(request, signature, URLS).client
            limits.poll(client)
        urls = validation.validation_urls(members)
        with slots.answer():
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


def _check_images(resources: Resources, urls: list[str], client: str) -> Document:
    checks = dict(resources.prober.check(urls, patient=False, asker_of=lambda _url: client))
    missing = [url for url in urls if not checks[url].reachable]
    return {
        "valid_urls": [url for url in urls if checks[url].reachable],
        "unreachable_urls": missing,
        "threshold_met": too_few(urls, missing, resources.settings.image_threshold) is None,
        "reasons": {url: checks[url].reason for url in missing},
    }

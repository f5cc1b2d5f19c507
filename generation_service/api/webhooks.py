"""Sending webhooks again, and the receivers they go to (docs/api.md §6)."""

from uuid import UUID

from flask import Blueprint, Response, request
from structlog.contextvars import bind_contextvars

from generation_service.api import documents, query
from generation_service.api.database import request_transaction
from generation_service.api.guards import Guards, own_job
from generation_service.api.responses import json_response
from generation_service.api.slots import Slots
from generation_service.core.errors import ServiceError
from generation_service.db import deliveries, delivery_log, endpoints, jobs
from generation_service.db.delivery_log import Delivery
from generation_service.db.endpoints import Endpoint
from generation_service.pipeline.resources import Resources
from generation_service.pipeline.sample import send_sample


def blueprint(resources: Resources, guards: Guards, slots: Slots) -> Blueprint:
    routes = Blueprint("webhooks", __name__, url_prefix="/api/v1")
    engine = resources.engine

    @routes.post("/batch-jobs/<job_id>/deliveries/<delivery_id>/redeliver")
    def redeliver(job_id: str, delivery_id: str) -> Response:
        client, wanted = guards.job_client(request, job_id)
        with request_transaction(engine) as connection:
            job = own_job(jobs.find(connection, wanted, client))
            wanted_delivery = _id(delivery_id)
            bind_contextvars(delivery=str(wanted_delivery))
            deliveries.redeliver(connection, job.id, wanted_delivery)
            delivery = _delivery(delivery_log.find(connection, job.id, wanted_delivery))
        return json_response(documents.delivery_document(delivery), 202)

    @routes.get("/webhook-endpoints")
    def webhook_endpoints() -> Response:
        client = guards.target_client(request)
        page = query.page(request.args)
        with request_transaction(engine) as connection:
            found, total = endpoints.page(connection, client, limit=page.limit, offset=page.offset)
        return json_response(documents.endpoints_document(found, page.pagination(total)))

    @routes.post("/webhook-endpoints/<endpoint_id>/resume")
    def resume(endpoint_id: str) -> Response:
        client = guards.target_client(request)
        with request_transaction(engine) as connection:
            endpoint = _endpoint(endpoints.resume(connection, client, _id(endpoint_id)))
        return json_response(documents.endpoint_document(endpoint))

    @routes.post("/webhook-endpoints/<endpoint_id>/test")
    def test(endpoint_id: str) -> Response:
        client = guards.target_client(request)
        with request_transaction(engine) as connection:
            endpoint = _endpoint(endpoints.find(connection, client, _id(endpoint_id)))
        with slots.sample():
            outcome = send_sample(resources, client, endpoint.url, now=guards.now())
        return json_response(documents.sample_document(outcome))

    return routes


def _id(text: str) -> UUID:
    """An id as it stands in a path; what is none can't be found."""
    try:
        return UUID(text)
    except ValueError:
        raise _not_found() from None


def _delivery(found: Delivery | None) -> Delivery:
    if found is None:
        raise _not_found()
    return found


def _endpoint(found: Endpoint | None) -> Endpoint:
    if found is None:
        raise _not_found()
    return found


def _not_found() -> ServiceError:
    return ServiceError("not_found", "There is no delivery or endpoint of yours with this id.")

"""POST /generate-descriptions and /test-image-validation (docs/api.md §3 and §4)."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Final

import structlog
from flask import Blueprint, Response, request

from generation_service.api import guards, validation
from generation_service.api.body import BodyReader
from generation_service.api.documents import Document, accepted_document
from generation_service.api.responses import json_response
from generation_service.core.errors import ServiceError
from generation_service.core.images import too_few
from generation_service.pipeline.accept import accept
from generation_service.pipeline.describe import describe
from generation_service.pipeline.resources import Resources

BUSY_RETRY_SECONDS: Final = 10

log = structlog.get_logger(__name__)


def blueprint(resources: Resources) -> Blueprint:
    routes = Blueprint("generate", __name__, url_prefix="/api/v1")
    settings = resources.settings
    bodies = BodyReader(settings.max_request_bytes)
    slots = BoundedSemaphore(settings.max_sync_per_process)

    @routes.post("/generate-descriptions")
    def generate() -> Response:
        body = bodies.json_object(request)
        client = guards.body_client(settings.keys, body, "lots")
        wanted = validation.generation_request(
            body,
            max_descriptions=settings.max_job_descriptions,
            allowed_private=settings.allowed_private_hosts,
        )
        if len(wanted.lots) == 1:
            with _one_of(slots):
                return json_response(describe(resources, wanted))
        accepted = accept(resources, client, wanted)
        log.info("job_accepted", job=str(accepted.job_id), lots=len(wanted.lots))
        return json_response(accepted_document(accepted, wanted), 201)

    @routes.post("/test-image-validation")
    def test_image_validation() -> Response:
        body = bodies.json_object(request)
        if not settings.allow_unsigned_image_validation:
            guards.body_client(settings.keys, body, "urls")
        urls = validation.validation_urls(body)
        with _one_of(slots):
            return json_response(_check_images(resources, urls))

    return routes


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


def _check_images(resources: Resources, urls: list[str]) -> Document:
    checks = dict(resources.prober.check(urls, patient=False))
    missing = [url for url in urls if not checks[url].reachable]
    return {
        "valid_urls": [url for url in urls if checks[url].reachable],
        "unreachable_urls": missing,
        "threshold_met": too_few(urls, missing, resources.settings.image_threshold) is None,
        "reasons": {url: checks[url].reason for url in missing},
    }

"""POST /openai/events: OpenAI tells that a batch has ended (docs/api.md §9).

An event is a hint and nothing more: it has the batch asked about at once, and what counts is the
answer to that. So one that is lost, late, sent twice or about somebody else's batch does no harm.
"""

from typing import Final

import structlog
from flask import Blueprint, Response, request

from generation_service.api.body import BodyReader
from generation_service.api.database import request_transaction
from generation_service.api.guards import Guards
from generation_service.clients.openai_events import Event, EventReader, EventRefusedError
from generation_service.core.limits import MAX_EVENT_BYTES
from generation_service.db import openai_batches, openai_events
from generation_service.pipeline.resources import Resources

_ENDED: Final = frozenset(f"batch.{end}" for end in ("completed", "failed", "expired", "cancelled"))

_log = structlog.get_logger()


def blueprint(resources: Resources, guards: Guards, bodies: BodyReader, secret: str) -> Blueprint:
    routes = Blueprint("events", __name__)
    reader = EventReader(secret)
    small_bodies = bodies.limited_to(MAX_EVENT_BYTES)

    @routes.post("/openai/events")
    def take_event() -> Response:
        sent: list[bytes] = []
        small_bodies.json_object(request, sent.append)
        try:
            event = reader.read(b"".join(sent), request.headers)
        except EventRefusedError as error:
            guards.refuse(request, "invalid_event_signature", str(error))
        _heed(resources, event)
        return Response(status=204)

    return routes


def _heed(resources: Resources, event: Event) -> None:
    """Have the batch asked about at once, if it is one of ours that is at OpenAI.

    A batch whose id is not recorded yet is not found; it is asked about when its id is recorded.
    """
    if event.type not in _ENDED or event.subject is None:
        return
    with request_transaction(resources.engine) as connection:
        fresh = openai_events.take_in(connection, event.id, event.type)
        found = fresh and openai_batches.ask_at_once(connection, event.subject)
    _log.info(
        "openai_event",
        type=event.type,
        openai_id=event.subject,
        repeated=not fresh,
        asked_at_once=found,
    )

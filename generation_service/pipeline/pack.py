"""Packing: queued descriptions of one kind are claimed into new OpenAI batches."""

from functools import partial
from typing import cast
from uuid import UUID, uuid4

from sqlalchemy import Connection

from generation_service.core.packing import Pack, Queue, Room, plan
from generation_service.core.status import Kind
from generation_service.db import queue
from generation_service.db.queue import InFlight
from generation_service.pipeline.resources import Beat, Resources
from generation_service.pipeline.transactions import transaction


def tick(resources: Resources, _beat: Beat) -> bool:
    """Start OpenAI batches for what has waited long enough; False when there was nothing."""
    settings = resources.settings
    models = {Kind.VISION: settings.vision_model, Kind.TRANSLATION: settings.translation_model}
    packed = [
        transaction(resources.engine, partial(_pack, resources=resources, kind=kind, model=model))
        for kind, model in models.items()
    ]
    return any(packed)


def _pack(connection: Connection, resources: Resources, kind: Kind, model: str) -> bool:
    if not queue.packing_turn(connection, model):
        return False
    waiting = queue.waiting(connection, kind)
    if not waiting:
        return False
    queues = [
        Queue(
            job=job.job_id,
            client=job.client,
            requests=job.requests,
            tokens=job.tokens,
            waited=job.waited,
            in_flight=job.in_flight,
        )
        for job in waiting
    ]
    room = _room(resources, model, queue.in_flight(connection, model))
    if room is None:
        return False
    packs = plan(queues, room, linger=resources.settings.batch_linger_seconds)
    for pack in packs:
        _claim(connection, kind, model, pack, room)
    return bool(packs)


def _room(resources: Resources, model: str, flying: InFlight) -> Room | None:
    """What may still be started; None while OpenAI told us to wait."""
    if flying.paused:
        return None
    settings = resources.settings
    limit = settings.max_enqueued_tokens.get(model, flying.learned_limit)
    return Room(
        slots=settings.max_active_openai_batches - flying.openai_batches,
        tokens=None if limit is None else max(0, limit - flying.enqueued_tokens),
        token_limit=limit,
        slot_limit=settings.max_active_openai_batches,
    )


def _claim(connection: Connection, kind: Kind, model: str, pack: Pack, room: Room) -> None:
    quarter = None if room.token_limit is None else room.token_limit // 4
    queue.claim(
        connection,
        openai_batch=uuid4(),
        kind=kind,
        model=model,
        job_ids=cast("tuple[UUID, ...]", pack.jobs),
        requests=pack.requests,
        tokens=quarter,
    )

"""Packing: queued descriptions are claimed into new OpenAI batches, one in a transaction.

Tokens are counted here in hundredths, so that estimates corrected by a percentage stay whole
numbers, and what is packed can be held against a limit exactly.
"""

from collections.abc import Mapping
from typing import cast
from uuid import UUID, uuid4

from sqlalchemy import Connection

from generation_service.core.flights import Flight, boarded, room
from generation_service.core.lanes import FALLBACK_AFTER_SECONDS
from generation_service.core.limits import OWN_BATCH_REQUESTS
from generation_service.core.packing import Pack, next_pack
from generation_service.core.room import Queue
from generation_service.core.status import Kind
from generation_service.core.token_estimates import Usage, percent
from generation_service.db import model_limits, queue, token_estimates
from generation_service.db.model_limits import ModelLimit
from generation_service.db.queue import BatchShare, JobQueue, Part
from generation_service.pipeline.resources import Beat, Resources
from generation_service.pipeline.transactions import transaction

_TURNS_REMEMBERED = 200
"""OpenAI batches: whoever had no part in the last so many counts as never served."""
_Learned = Mapping[tuple[str, Kind], Usage]


def tick(resources: Resources, beat: Beat) -> bool:
    """Start OpenAI batches for what has waited long enough; False when there was nothing."""
    packed = False
    while resources.has_batch_api and transaction(
        resources.engine, lambda connection: _pack(connection, resources)
    ):
        packed = True
        if not beat():
            break
    return packed


def _pack(connection: Connection, resources: Resources) -> bool:
    """Build one OpenAI batch, unless another process is at it, or there is no room or need."""
    settings = resources.settings
    models = {Kind.VISION: settings.vision_model, Kind.TRANSLATION: settings.translation_model}
    turn = queue.packing_turn(connection, set(models.values()))
    known = model_limits.of_models(connection, turn)
    ready = {
        kind: model
        for kind, model in models.items()
        if model in turn and not (model in known and known[model].paused)
    }
    shares = queue.shares(connection, newest=_TURNS_REMEMBERED) if ready else []
    taken = {share.openai_batch for share in shares if share.open}
    if not ready or len(taken) >= settings.max_active_openai_batches:
        return False
    learned = token_estimates.every(connection, simulated=bool(resources.openai.simulated))
    in_flight = [_flight(share, learned) for share in shares]
    queues = boarded(_queues(connection, resources, ready, learned), in_flight)
    limits = {model: _limit(model, settings.max_enqueued_tokens, known) for model in turn}
    pack = next_pack(
        queues,
        room(
            queues,
            in_flight,
            slot_limit=settings.max_active_openai_batches,
            token_limits={model: 100 * limit for model, limit in limits.items() if limit},
        ),
        linger=settings.batch_linger_seconds,
    )
    return pack is not None and _claim(connection, pack, learned)


def _limit(
    model: str, configured: Mapping[str, int], known: Mapping[str, ModelLimit]
) -> int | None:
    """The smaller one of what the operator set and what OpenAI named: it would refuse the rest."""
    learned = known[model].enqueued_tokens if model in known else None
    limits = [limit for limit in (configured.get(model), learned) if limit is not None]
    return min(limits, default=None)


def _queues(
    connection: Connection, resources: Resources, models: Mapping[Kind, str], learned: _Learned
) -> list[Queue]:
    within = FALLBACK_AFTER_SECONDS if resources.settings.deadline_fallback else None
    found = queue.waiting(connection, models, enough=OWN_BATCH_REQUESTS, within=within)
    return [_queue(job, models[job.kind], learned) for job in found]


def _queue(job: JobQueue, model: str, learned: _Learned) -> Queue:
    worth = _percent(learned, model, job.kind)
    return Queue(
        job=job.job_id,
        client=job.client,
        kind=job.kind,
        model=model,
        requests=job.requests,
        tokens=job.tokens * worth,
        first=job.first * worth,
        waited=job.waited,
        growing=job.growing,
    )


def _flight(share: BatchShare, learned: _Learned) -> Flight:
    return Flight(
        openai_batch=share.openai_batch,
        kind=share.kind,
        model=share.model,
        tokens=share.tokens * _percent(learned, share.model, share.kind),
        open=share.open,
        age=share.age,
        job=share.job_id,
        client=share.client,
        requests=share.requests,
        unanswered=share.unanswered,
    )


def _percent(learned: _Learned, model: str, kind: Kind) -> int:
    return percent(learned.get((model, kind), Usage()))


def _claim(connection: Connection, pack: Pack, learned: _Learned) -> bool:
    worth = _percent(learned, pack.model, pack.kind)
    claimed = queue.claim(
        connection,
        openai_batch=uuid4(),
        kind=pack.kind,
        model=pack.model,
        parts=[
            Part(
                cast("UUID", share.job),
                share.requests,
                None if share.tokens is None else share.tokens // worth,
            )
            for share in pack.shares
        ],
    )
    return claimed > 0

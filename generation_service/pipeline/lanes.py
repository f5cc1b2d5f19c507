"""Lanes: which requests go by direct calls instead of in OpenAI batches, and when.

All of them where the server has no Batch API; with DEADLINE_FALLBACK those of a job that is near
its deadline. What is in an OpenAI batch already comes back from it first: taken back before it is
created, else cancelled at OpenAI and reconciled as ever, so that no line is paid for twice.
"""

import time
from functools import partial
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from generation_service.core.direct_calls import OUTCOME_UNKNOWN, unknown
from generation_service.core.lanes import FALLBACK_AFTER_SECONDS, Lane
from generation_service.db import direct, jobs, lanes
from generation_service.db.availability import is_unavailable
from generation_service.db.direct import LostCall
from generation_service.pipeline import tariffs
from generation_service.pipeline.lease import Renewal
from generation_service.pipeline.resources import Beat, Resources
from generation_service.pipeline.settle import Answer, record_calls
from generation_service.pipeline.transactions import transaction

EVERY_SECONDS = 2.0
_log = structlog.get_logger()
_ROWS = 1_000


def tick(resources: Resources, beat: Beat) -> bool:
    """Move work to the direct lane, and give up calls whose callers are gone; False: nothing."""
    try:
        return _tick(resources, beat)
    except SQLAlchemyError as error:
        if is_unavailable(error):
            resources.outage.note(time.monotonic())
        raise


def _tick(resources: Resources, beat: Beat) -> bool:
    _look_for_batch_api(resources, beat)
    moved = False if resources.has_batch_api else _take_back(resources)
    if resources.settings.deadline_fallback:
        moved |= _beat_the_deadline(resources, beat)
    given_up = transaction(resources.engine, partial(_give_up_lost, resources))
    return given_up > 0 or moved


def _look_for_batch_api(resources: Resources, beat: Beat) -> None:
    now = time.monotonic()
    if resources.settings.openai_batch_api != "auto" or not resources.batch_api.is_due(now):
        return
    with Renewal(beat):
        reason = resources.batch_api.ask(resources.openai, now)
    if reason:
        _log.warning(
            "openai_batch_api_unknown", reason=reason, mend="set OPENAI_BATCH_API to on or off"
        )
    elif resources.has_batch_api:
        _log.info("openai_batch_api_found")
    else:
        _log.warning("openai_batch_api_missing", effect="jobs are worked by direct calls")


def _take_back(resources: Resources) -> bool:
    """There is no Batch API: nothing must wait for an OpenAI batch that is not created yet."""
    return transaction(resources.engine, lanes.call_back_unsent) > 0


def _beat_the_deadline(resources: Resources, beat: Beat) -> bool:
    with resources.engine.connect() as connection:
        near = lanes.near_deadline(connection, FALLBACK_AFTER_SECONDS)
    if not near:
        return False
    called_back = transaction(resources.engine, partial(lanes.call_back, job_ids=near))
    diverted = sum(_divert(resources, job_id, beat) for job_id in near)
    if called_back or diverted:
        _log.warning("deadline_near", jobs=len(near), openai_batches=called_back, requests=diverted)
    return bool(called_back or diverted)


def _divert(resources: Resources, job_id: UUID, beat: Beat) -> int:
    diverted = 0
    while moved := transaction(resources.engine, partial(lanes.divert, job_id=job_id, limit=_ROWS)):
        diverted += moved
        if not beat():
            break
    return diverted


def _give_up_lost(resources: Resources, connection: Connection) -> int:
    """Fail the requests whose call nobody waits for any more: it may have been paid for."""
    job_ids = direct.jobs_of_lost(connection, _ROWS)
    if not (job_ids and resources.outage.is_over(time.monotonic())):
        return 0
    jobs.lock(connection, job_ids)
    token = uuid4()
    lost = direct.take_over(connection, token, job_ids, _ROWS)
    tariff = tariffs.of_calls(resources.settings, Lane.DIRECT)
    record_calls(connection, token, [_unknown(call) for call in lost], tariff)
    for call in lost:
        _log.error(OUTCOME_UNKNOWN, description=call.id, job=str(call.job_id), reason="caller gone")
    return len(lost)


def _unknown(call: LostCall) -> Answer:
    reason = "The service stopped while the request was under way"
    return Answer(call.id, call.attempt, unknown(reason, str(call.job_id)))

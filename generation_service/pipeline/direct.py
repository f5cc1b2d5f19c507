"""Direct calls: requests asked one by one at full price, where no OpenAI batch can do it.

There is nothing to list or to adopt afterwards, so that paying once means asking once: a request
is claimed right before its call, the call is made only while the claim is ours, and one whose
outcome nobody knows is never repeated by itself (a caller that is gone: pipeline/lanes.py).
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Final
from uuid import uuid4

import structlog
from sqlalchemy.exc import SQLAlchemyError
from structlog.contextvars import bound_contextvars

from generation_service.clients.deadline import Deadline
from generation_service.core.direct_calls import OUTCOME_UNKNOWN, for_job, unknown
from generation_service.core.lanes import Lane
from generation_service.core.openai_errors import Failure, Retry
from generation_service.core.replies import Reply
from generation_service.db import direct
from generation_service.db.availability import is_unavailable
from generation_service.db.direct import Call
from generation_service.pipeline import bodies, tariffs
from generation_service.pipeline.lease import Renewal
from generation_service.pipeline.resources import Beat, Resources
from generation_service.pipeline.settle import Answer, record_calls
from generation_service.pipeline.transactions import kept, transaction
from generation_service.telemetry import openai_errors

_log = structlog.get_logger()
_LOOK_SECONDS: Final = 0.5
"""How often to look for more work while calls are under way and slots are free."""


def tick(resources: Resources, beat: Beat) -> bool:
    """Make calls until nothing is left to ask or under way; False if there was nothing."""
    slots = resources.settings.direct_calls_per_process
    with ThreadPoolExecutor(slots, thread_name_prefix="direct") as pool:
        return _Tick(resources, pool, slots, beat).run()


class _Tick:
    """What one tick holds: calls under way, and answers that are not recorded yet."""

    def __init__(
        self, resources: Resources, pool: ThreadPoolExecutor, slots: int, beat: Beat
    ) -> None:
        self._resources = resources
        self._pool = pool
        self._slots = slots
        self._beat = beat
        self._token = uuid4()
        self._tariff = tariffs.of_calls(resources.settings, Lane.DIRECT)
        self._calls: dict[Future[Reply], Call] = {}
        self._answers: list[tuple[Call, Reply]] = []
        self._look_at = 0.0
        self._stopping = False

    def run(self) -> bool:
        self._start()
        if not self._calls:
            return False
        with Renewal(self._renew):
            while self._calls or (self._answers and not self._stopping):
                self._gather()
                self._answers = [each for each in self._answers if not self._recorded(*each)]
                self._survives(self._start)
        return True

    def _start(self) -> None:
        """Claim as many requests as there are free slots, and ask at once."""
        self._stopping = not self._beat()
        now, under_way = time.monotonic(), len(self._calls) + len(self._answers)
        room = self._resources.trouble.room(now, self._slots - under_way, under_way)
        if self._stopping or room <= 0 or now < self._look_at:
            return
        claimed = self._claim(room)
        if len(claimed) < room:
            self._look_at = time.monotonic() + _LOOK_SECONDS
        for call in claimed:
            self._calls[self._pool.submit(self._ask, call)] = call

    def _claim(self, room: int) -> Sequence[Call]:
        every_lane = not self._resources.has_batch_api
        try:
            return transaction(
                self._resources.engine,
                lambda connection: direct.claim(
                    connection, self._token, limit=room, every_lane=every_lane
                ),
            )
        except SQLAlchemyError:  # it may have been committed all the same, and nothing was asked
            held = self._held()
            kept(
                self._resources.engine,
                lambda connection: direct.hand_back(connection, self._token, held),
            )
            raise

    def _ask(self, call: Call) -> Reply:
        """In a thread of its own."""
        settings = self._resources.settings
        deadline = Deadline.after(settings.sync_deadline_seconds)
        body = bodies.of_request(settings, call.kind, call.request)
        names = {"description": call.request.id, "job": str(call.job_id)}
        with bound_contextvars(**names), openai_errors.asked_for(call.kind):
            return self._resources.openai.complete(body, deadline, partial(self._may_send, call))

    def _may_send(self, call: Call) -> bool:
        """Whether it is still ours to ask: claimed, not cancelled, and nobody stops us."""
        try:
            with self._resources.engine.connect() as connection:
                held = direct.holds(connection, self._token, call.request)
        except SQLAlchemyError as error:  # whoever can't be sure doesn't ask
            _log.warning("direct_call_not_sent", reason=str(error).splitlines()[0])
            return False
        return held and not self._stopping

    def _gather(self) -> None:
        if not self._calls:  # only what the database does not take just now is left
            time.sleep(_LOOK_SECONDS)
            return
        ended, _ = wait(self._calls, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
        for future in ended:
            call = self._calls.pop(future)
            self._answers.append((call, self._reply(call, future)))

    def _reply(self, call: Call, future: Future[Reply]) -> Reply:
        error = future.exception()
        if error is not None:
            _log.error("direct_call_failed", description=call.request.id, exc_info=error)
            return unknown(f"A fault of the service, {type(error).__name__}", str(call.job_id))
        reply, now = future.result(), time.monotonic()
        trouble = self._resources.trouble
        if not (isinstance(reply, Failure) and reply.retry is Retry.FREE):  # it was sent
            trouble.note(now, met=isinstance(reply, Failure) and reply.general)
        return for_job(reply, job_id=str(call.job_id), trouble_seconds=trouble.lasted(now))

    def _recorded(self, call: Call, reply: Reply) -> bool:
        """Record one answer; False while the database is away: it may have been paid for."""
        return self._survives(partial(self._record, call, reply))

    def _record(self, call: Call, reply: Reply) -> None:
        request = call.request
        answer = Answer(request.id, request.attempt, reply)
        recorded = transaction(
            self._resources.engine,
            partial(record_calls, token=self._token, answers=[answer], tariff=self._tariff),
        )
        names = {"description": request.id, "job": str(call.job_id)}
        if not recorded:
            _log.warning("direct_answer_too_late", **names)
        elif isinstance(reply, Failure) and reply.code == OUTCOME_UNKNOWN:
            _log.error(OUTCOME_UNKNOWN, **names, reason=reply.message)

    def _survives(self, work: Callable[[], object]) -> bool:
        """Do it, whatever it meets: the calls under way need us. False: the database is away."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - one answer's trouble must not cost the others
            if is_unavailable(error):
                _log.warning("direct_calls_wait", reason=str(error).splitlines()[0])
                return False
            _log.exception("direct_call_failed")
        return True

    def _renew(self) -> None:
        """In a thread of its own; what was claimed unbeknown to us is left to run out."""
        with self._resources.engine.begin() as connection:
            direct.renew(connection, self._token, self._held())

    def _held(self) -> list[int]:
        calls = [*self._calls.values(), *(call for call, _ in self._answers)]
        return [call.request.id for call in calls]

"""The named moments at which a crash would cost most, each met for certain.

A moment is a context manager: it orders a job, waits until the moment has come, and in its block
everything stands still there. What the block kills is gone at exactly that point.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from threading import Event
from typing import Any, Protocol
from uuid import uuid4

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from tests.faults.stack import HANG_SECONDS, THANKS, Stack
from tests.servers import Reply
from tests.waiting import until

LARGE = 620
"""Lots whose answers are more than one transaction records (500) and one buffer holds (64 KiB)."""


class Order(Protocol):
    def __call__(self, lots: int, languages: Sequence[str], /, **more: object) -> str:
        """Post a job of so many lots, which have `more` fields, in these languages; its id."""


Moment = Callable[[Stack, Order], AbstractContextManager[str]]
"""Yields the id of the job that was ordered."""


def _at(on: str, do: str, **more: Any) -> Moment:
    """OpenAI misbehaves, and its caller waits for an answer."""

    @contextmanager
    def moment(stack: Stack, order: Order) -> Iterator[str]:
        before = stack.fired(on)
        stack.misbehave(on, do, **more)
        job = order(3, ["en", "ru"])
        until(lambda: stack.fired(on) > before, what=f"{do} at {on}")
        yield job

    return moment


@contextmanager
def half_read(stack: Stack, order: Order) -> Iterator[str]:
    """A part of the output file is recorded, the rest is still on its way."""
    cut = {"fraction": 0.97, "seconds": HANG_SECONDS}
    stack.misbehave("content", "cut_content", times=None, **cut)
    try:
        with holding(stack) as connection:  # until all of it can go into one OpenAI batch
            connection.execute(text(_PACKING), {"name": "packing"})
            job = order(LARGE, ["en"])
            until(lambda: _queued(stack, job) == LARGE, what="all lots are queued")
        until(lambda: recorded(stack, job), what="a part of the file is recorded")
        assert recorded(stack, job) < LARGE
        yield job
    finally:
        stack.behave()


@contextmanager
def between_the_languages(stack: Stack, order: Order) -> Iterator[str]:
    """Every English text is recorded, and no translation has been packed."""
    with holding(stack) as connection:
        for model in {row["model"] for row in stack.rows(_TRANSLATION_MODELS)} or {"gpt-6-luna"}:
            connection.execute(text(_PACKING), {"name": f"packing {model}"})
        job = order(3, ["en", "ru"])
        until(lambda: recorded(stack, job) == 3, what="the English is there")
        yield job


_TRANSLATION_MODELS = "SELECT DISTINCT model FROM openai_batches WHERE kind = 'translation'"
_PACKING = "SELECT pg_advisory_lock(hashtextextended(:name, 0))"
"""Whoever holds it packs; see `packing_turn` in generation_service/db/queue.py."""


@contextmanager
def ending(stack: Stack, order: Order) -> Iterator[str]:
    """The last lot is settled, its job ended, and nothing of it committed: deliveries are next."""
    with holding(stack) as connection:
        connection.execute(text("LOCK TABLE webhook_deliveries IN SHARE ROW EXCLUSIVE MODE"))
        job = order(2, ["en"])
        until(lambda: _waits_for(stack, connection, "batch_jobs"), what="the end is recorded")
        yield job


@contextmanager
def taken_by_the_receiver(stack: Stack, order: Order) -> Iterator[str]:
    """The receiver has answered 200, and that is about to be recorded."""
    answer, path = Event(), f"/held-{uuid4().hex}"
    stack.receiver.replies[path] = Reply(held=answer)
    try:
        with holding(stack) as connection:
            job = order(2, ["en"], webhook=stack.receiver.url(path))
            until(lambda: _sent(stack, job), what="the receiver has the webhook")
            lock = "SELECT FROM webhook_deliveries WHERE batch_job_id = :job FOR UPDATE"
            connection.execute(text(lock), {"job": job})
            answer.set()
            recording = partial(_waits_for, stack, connection, "webhook_deliveries")
            until(recording, what="the 200 is to be recorded")
            yield job
    finally:
        answer.set()
        stack.receiver.replies[path] = THANKS


@contextmanager
def holding(stack: Stack) -> Iterator[Connection]:
    """A connection for locks, which end with the block, or with the database killed in it."""
    connection = stack.engine.connect()
    try:
        yield connection
    finally:
        with suppress(OperationalError):
            connection.close()


def _sent(stack: Stack, job: str) -> bool:
    return any(job.encode() in request.body for request in stack.receiver.received)


def _waits_for(stack: Stack, holder: Connection, changed: str) -> bool:
    """Whether a transaction that changes this table waits for what `holder` has locked."""
    ours = holder.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return bool(stack.rows(_BLOCKED, ours=ours, changed=changed))


_BLOCKED = """
    SELECT FROM pg_locks
    WHERE relation = CAST(:changed AS regclass) AND mode = 'RowExclusiveLock' AND granted
      AND :ours = ANY(pg_blocking_pids(pid))
"""


def recorded(stack: Stack, job: str) -> int:
    """How many texts the job has."""
    return _count(stack, job, "completed")


def _queued(stack: Stack, job: str) -> int:
    return _count(stack, job, "queued")


def _count(stack: Stack, job: str, status: str) -> int:
    statement = "SELECT FROM descriptions WHERE status = :status AND job_id = :job"
    return len(stack.rows(statement, status=status, job=job))


MOMENTS: Mapping[str, Moment] = {
    "after the upload, before its id is known": _at("upload", "hang_after"),
    "between upload and creation": _at("create", "hang"),
    "after the creation, before its id is saved": _at("create", "hang_after"),
    "in the middle of an output file": half_read,
    "between English and translations": between_the_languages,
    "while the end of a job is recorded": ending,
    "after a receiver's 200, before it is recorded": taken_by_the_receiver,
}


DIRECT_MOMENTS: Mapping[str, Moment] = {
    "during a direct call that is not worked yet": _at("chat", "hang"),
    "during a direct call that is paid for": _at("chat", "hang_after"),
    "while the end of a job is recorded": ending,
    "after a receiver's 200, before it is recorded": taken_by_the_receiver,
}

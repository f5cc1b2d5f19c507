"""How much slow work a process takes on at once: its other threads stay free for polling."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Final

from flask import Flask

from generation_service.core.errors import ServiceError
from generation_service.core.limits import WEBHOOK_SAMPLES, WEBHOOK_TOTAL_SECONDS
from generation_service.telemetry import metrics

BUSY_RETRY_SECONDS: Final = 10
_EXTENSION: Final = "slots"


@dataclass(frozen=True, slots=True)
class Slots:
    """`answers` are for whoever waits for OpenAI or photos, `samples` for whoever for a receiver.

    The API and the admin pages share them.
    """

    answers: BoundedSemaphore
    samples: BoundedSemaphore

    @contextmanager
    def answer(self) -> Iterator[None]:
        """Hold one for a synchronous answer, or raise ServiceError `busy`."""
        message = "All slots for synchronous requests are taken; send the request again."
        with _one_of(self.answers, message, BUSY_RETRY_SECONDS), metrics.slot_taken():
            yield

    @contextmanager
    def sample(self) -> Iterator[None]:
        """Receivers that hang must not hold more threads than these; ServiceError `busy`."""
        message = f"{WEBHOOK_SAMPLES} receivers are being tested already; try again."
        with _one_of(self.samples, message, int(WEBHOOK_TOTAL_SECONDS)):
            yield


def install(app: Flask, max_answers: int) -> Slots:
    """Give the app its slots."""
    slots = Slots(BoundedSemaphore(max_answers), BoundedSemaphore(WEBHOOK_SAMPLES))
    app.extensions[_EXTENSION] = slots
    return slots


def of(app: Flask) -> Slots:
    slots: Slots = app.extensions[_EXTENSION]
    return slots


@contextmanager
def _one_of(slots: BoundedSemaphore, message: str, retry_after: int) -> Iterator[None]:
    if not slots.acquire(blocking=False):
        raise ServiceError("busy", message, retry_after=retry_after)
    try:
        yield
    finally:
        slots.release()

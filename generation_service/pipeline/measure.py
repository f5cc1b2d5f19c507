"""Measuring: what charts and books need is written down while it can still be known."""

import structlog

from generation_service.db import measurements, queues
from generation_service.pipeline.resources import Beat, Resources
from generation_service.pipeline.transactions import transaction
from generation_service.pipeline.unbooked import Booking, sums
from generation_service.telemetry import openai_errors

EVERY_SECONDS = 10.0
_log = structlog.get_logger()


def tick(resources: Resources, beat: Beat) -> bool:
    """Write down this process's bills and errors of OpenAI, and once a minute every queue."""
    book_remembered(resources)
    write_errors(resources)
    if beat():
        transaction(resources.engine, queues.sample)
    return False


def book_remembered(resources: Resources) -> None:
    """Book the bills that the database did not take before; what it still doesn't is kept."""
    tallies = resources.unbooked.take()
    if not tallies:
        return
    booking = Booking(tallies)
    try:
        transaction(resources.engine, booking.book)
    except BaseException:
        told = booking.failed(resources.unbooked)
        if booking.unclear:
            _log.error("bills_not_booked", **told)
        raise
    _log.info("bills_booked_late", **sums(tallies))


def write_errors(resources: Resources) -> None:
    """Write down what this process has counted; what can't be written is kept for later."""
    unwritten = openai_errors.unwritten()
    counts = unwritten.take()
    if not counts:
        return
    try:
        transaction(
            resources.engine, lambda connection: measurements.add_errors(connection, counts)
        )
    except BaseException:
        unwritten.add(counts)
        raise

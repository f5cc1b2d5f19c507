"""Measuring: what the operator's charts show is written down while it can still be known."""

from generation_service.db import measurements, queues
from generation_service.pipeline.resources import Beat, Resources
from generation_service.pipeline.transactions import transaction
from generation_service.telemetry import openai_errors

EVERY_SECONDS = 10.0


def tick(resources: Resources, beat: Beat) -> bool:
    """Write down this process's errors of OpenAI, and once a minute every queue; never more."""
    write_errors(resources)
    if beat():
        transaction(resources.engine, queues.sample)
    return False


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

"""A small job from its POST to its last webhook, against the two waits that it can't do without."""

import json
import statistics
import time

from bench.table import Row
from bench.world import LANGUAGES, World

ROUNDS = 3
BAR_SECONDS = 6.0
WITHIN_SECONDS = 60.0


def measure(world: World) -> Row:
    """The floor: two OpenAI batches, each first looked at a poll interval after it was sent."""
    service = statistics.median(_once(world, turn) for turn in range(ROUNDS))
    return Row(
        name=f"job of {len(world.cars)} lots, {len(LANGUAGES)} languages, to webhook",
        service=service,
        floor=2 * world.stack.config.openai_poll_seconds,
        bar=f"under {BAR_SECONDS:.0f} s",
        kept=service < BAR_SECONDS,
    )


def _once(world: World, turn: int) -> float:
    cars = world.cars
    for car in cars:
        car["lot_id"] += f"-{turn}"  # or the first job would be replayed
    began = time.perf_counter()
    answer, error = world.client.batch_generate_with_polling(
        cars, LANGUAGES, world.receiver.url, poll_interval=0.2
    )
    if answer is None:
        raise RuntimeError(error)
    job_id = answer["job_id"]
    webhook = world.receiver.wait(
        lambda received: json.loads(received.body)["job_id"] == job_id, WITHIN_SECONDS
    )
    if webhook is None:
        raise RuntimeError(f"no webhook within {WITHIN_SECONDS:.0f} s")
    return time.perf_counter() - began

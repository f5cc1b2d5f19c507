"""A small job never waits behind a giant, whatever is scarce."""

import pytest

from generation_service.core.status import JobStatus, Kind
from generation_service.pipeline import pack, submit
from tests.integration.giants import giant
from tests.integration.stages import go_on, stages

LUNA = "gpt-6-luna"
SCARCE = {
    "nothing": {},
    "OpenAI batches": {"MAX_ACTIVE_OPENAI_BATCHES": "2"},
    "tokens": {"MAX_ENQUEUED_TOKENS": f"gpt-6.1-terra:4000000,{LUNA}:4000000"},
    "tokens of one model": {"MAX_ENQUEUED_TOKENS": f"{LUNA}:4000000", "VISION_MODEL": LUNA},
}


def submit_all(world):
    while pack.tick(world.resources, go_on) or submit.tick(world.resources, go_on):
        pass


def assert_ends_behind(world, big, lots):
    """A 2-lot job ends while all of the giant that could be sent is at OpenAI for an hour."""
    slow = world.simulator.rules.add({"on": "batch", "do": "last", "seconds": 3_600})
    submit_all(world)
    world.simulator.rules.remove(slow)
    assert world.submitted_batches() > 0
    small = world.finish(world.accept(world.lots(2), ["en", "ru"]), seconds=60)
    assert (small.status, small.lots_failed) == (JobStatus.COMPLETED, 0)
    (row,) = world.rows(f"SELECT lots_settled FROM batch_jobs WHERE id = '{big}'")
    assert row["lots_settled"] < lots / 10


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("settings", SCARCE.values(), ids=SCARCE)
def test_a_small_job_ends_before_a_tenth_of_a_giant_has(engine, settings, kind):
    with stages(engine, openai={"fetch": False}, **settings) as world:
        assert_ends_behind(world, giant(world, 20_000, kind), 20_000)

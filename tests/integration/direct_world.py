"""Direct calls driven by hand: ordered, disturbed and counted."""

from collections import Counter
from uuid import uuid4

from generation_service.db import direct as direct_calls
from generation_service.pipeline import direct, lanes, probe
from tests.integration.stages import go_on
from tests.waiting import until


def queued(world, lots, languages=("en", "ru")):
    """The id of a job whose photos are probed."""
    job_id = world.accept(lots, languages)
    until(
        lambda: not probe.tick(world.resources, go_on) and world.job(job_id).images.completed,
        what="the photos are probed",
    )
    return job_id


def misbehave(world, do, *, times: int | None = 1, match=None, **more):
    world.simulator.rules.add(
        {"on": "chat", "do": do, "match": match or {}, "times": times, **more}
    )


def bodies_billed(world):
    """The request bodies that were billed, as often as they were."""
    return Counter(entry["body_hash"] for entry in world.simulator.ledger)


def billed(world):
    return sum(bodies_billed(world).values())


def descriptions(world):
    return world.rows("SELECT * FROM descriptions ORDER BY id")


def english(world):
    return world.rows("SELECT * FROM descriptions WHERE kind = 'vision' ORDER BY id")


def left_behind(world, limit=1):
    """Claim requests for calls, as a process does that dies right then."""
    with world.resources.engine.begin() as connection:
        direct_calls.claim(connection, uuid4(), limit=limit, every_lane=True)


def given_up(world):
    """The leases of all calls run out, and another process finds them."""
    world.execute(
        "UPDATE descriptions SET lease_expires_at = now() - interval '1 second'"
        " WHERE lease_expires_at IS NOT NULL"
    )
    lanes.tick(world.resources, go_on)


def once_under_way(world, happens):
    """Make calls; as soon as some are under way something `happens`, once."""
    left = [happens]

    def beat():
        if left and world.rows("SELECT 1 FROM descriptions WHERE status = 'submitted'"):
            left.pop()()
        return True

    direct.tick(world.resources, beat)
    assert not left


def under_way(world):
    return Counter(row["job_id"] for row in descriptions(world) if row["status"] == "submitted")


def assert_unknown(world, job_id):
    """One request failed as possibly paid, and says how to go on; it was asked once."""
    (failed,) = [row for row in descriptions(world) if row["status"] == "failed"]
    assert failed["error_code"] == "openai_outcome_unknown"
    assert "may have been billed" in failed["error_message"]
    assert f"/api/v1/batch-jobs/{job_id}/retry" in failed["error_message"]
    assert failed["attempt"] == 1
    assert (failed["openai_batch"], failed["lease_token"]) == (None, None)

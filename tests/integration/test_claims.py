"""Claims made in the same instant: each gets other work, and none waits for another."""

from contextlib import contextmanager
from uuid import uuid4

import pytest
from sqlalchemy import text

from generation_service.core.limits import LEASE_SECONDS
from generation_service.core.status import OpenAIBatchStatus
from generation_service.db import lots, openai_batches
from generation_service.pipeline import pack, probe
from tests.integration.stages import go_on, stages


@pytest.fixture
def world(engine):
    with stages(engine) as running:
        yield running


@contextmanager
def two_at_once(world):
    """Two transactions that are both open; one that waited for the other would fail."""
    engine = world.resources.engine
    with engine.begin() as first, engine.begin() as second:
        second.execute(text("SET LOCAL lock_timeout = '2s'"))
        yield first, second


def claim_lots(connection, limit, photos=1_000, busy=(), token=None):
    found = lots.claim(
        connection,
        token=token or uuid4(),
        limit=limit,
        lease_seconds=LEASE_SECONDS,
        photos=photos,
        busy=busy,
    )
    return {lot.id for lot in found}


def claim_batch(connection):
    found = openai_batches.claim(
        connection, [OpenAIBatchStatus.BUILDING], token=uuid4(), lease_seconds=LEASE_SECONDS
    )
    return found and found.id


def test_no_lot_is_claimed_twice(world):
    world.accept(world.lots(6), ["en"])
    with two_at_once(world) as (first, second):
        ours, theirs = claim_lots(first, limit=4), claim_lots(second, limit=6)
    assert (len(ours), len(theirs), ours & theirs) == (4, 2, set())


def test_lots_are_claimed_up_to_a_number_of_photos_but_one_whatever_it_has(world):
    world.accept([world.lot(f"lot-{n}", *[f"/{m}" for m in range(8)]) for n in range(9)], ["en"])
    with world.resources.engine.begin() as connection:
        sizes = [len(claim_lots(connection, limit=9, photos=photos)) for photos in (24, 25, 3)]
    assert sizes == [3, 3, 1]


def test_who_overslept_its_leases_gets_nothing_that_it_holds_already(world):
    """It works on those still; another process may take them."""
    world.accept(world.lots(2), ["en"])
    token = uuid4()
    with world.resources.engine.begin() as connection:
        held = claim_lots(connection, limit=1, token=token)
    world.execute("UPDATE batch_lots SET lease_expires_at = now() - interval '1 s'")
    with world.resources.engine.begin() as connection:
        assert claim_lots(connection, limit=2, token=token).isdisjoint(held)
        assert claim_lots(connection, limit=2) == held


def test_jobs_take_turns_and_busy_ones_get_none(world):
    ours, theirs = (world.accept(world.lots(6), ["en"]) for _ in range(2))
    with world.resources.engine.begin() as connection:
        claim_lots(connection, limit=6, photos=4)
        claim_lots(connection, limit=3, busy=[ours])
    claimed = "SELECT job_id, count(lease_token) AS lots FROM batch_lots GROUP BY job_id"
    counts = {row["job_id"]: row["lots"] for row in world.rows(claimed)}
    assert counts == {ours: 2, theirs: 2 + 3}


def test_no_openai_batch_is_claimed_twice(world):
    for _ in range(2):
        world.accept(world.lots(2), ["en"])
        probe.tick(world.resources, go_on)
        pack.tick(world.resources, go_on)
    with two_at_once(world) as (first, second):
        ours, theirs = claim_batch(first), claim_batch(second)
        assert ours
        assert theirs
        assert ours != theirs
        assert claim_batch(second) is None

"""What a giant job's rows cost doesn't depend on how many others there are, nor on what the planner
saw of their status when it last looked."""

import pytest

from generation_service.core.charges import Charge
from generation_service.core.lanes import FALLBACK_AFTER_SECONDS
from generation_service.db import descriptions, erasure
from generation_service.db.outcomes import CompletedText, FailedText, Requeued
from generation_service.pipeline import pack
from tests.integration.giants import LANGUAGES, giant
from tests.integration.plans import explaining
from tests.integration.stages import go_on, stages

LOTS = 4_000
ANSWERS = 50


@pytest.fixture
def world(engine):
    """Three giants whose requests were all queued when statistics were taken."""
    with stages(engine) as running:
        for client in ("one", "two", "three"):
            giant(running, LOTS, client=client)
        yield running


def scans(plans):
    return [(scan.table, scan.index) for scan in plans.scans if scan.table == "descriptions"]


def packed(world):
    """One of the OpenAI batches that the queue goes into, and ids of requests in it."""
    pack.tick(world.resources, go_on)
    (batch, *_) = world.rows("SELECT id FROM openai_batches")
    held = f"WHERE openai_batch = '{batch['id']}' ORDER BY id"
    found = world.rows(f"SELECT id FROM descriptions {held}")
    assert len(found) == LOTS
    return batch["id"], [row["id"] for row in found[: 3 * ANSWERS]]


def test_a_claim_reads_what_it_claims(world):
    world.execute("UPDATE descriptions SET status = 'completed'")
    world.execute("ANALYZE")
    world.execute("UPDATE descriptions SET status = 'queued'")
    with explaining(world.resources.engine) as plans:
        pack.tick(world.resources, go_on)
    assert scans(plans) == []
    assert world.rows("SELECT sum(requests) FROM openai_batches") == [{"sum": 3 * LOTS}]


def test_answers_are_found_by_their_ids(world):
    batch, ids = packed(world)
    done, failed, again = ids[:ANSWERS], ids[ANSWERS : 2 * ANSWERS], ids[2 * ANSWERS :]
    texts = [
        CompletedText(id=each, damages="", model="", generated_by="", charge=Charge())
        for each in done
    ]
    engine = world.resources.engine
    with explaining(engine) as plans, engine.begin() as connection:
        found = descriptions.submitted(connection, batch, ids, near=FALLBACK_AFTER_SECONDS)
        descriptions.complete(connection, batch, texts)
        descriptions.fail(
            connection, batch, [FailedText(id=each, code="", message="") for each in failed]
        )
        descriptions.requeue(
            connection, batch, [Requeued(id=each, code="", message="") for each in again]
        )
    assert scans(plans) == []
    assert [row.id for row in found] == ids
    left = world.rows("SELECT count(*) FROM descriptions WHERE status = 'submitted'")
    assert left[0]["count"] == 3 * LOTS - len(ids)


def test_a_deleted_giant_is_left_bare_and_erased_by_what_is_found_at_once(world):
    """All is cancelled in an open OpenAI batch; then that one has ended."""
    pack.tick(world.resources, go_on)
    world.execute("UPDATE descriptions SET status = 'cancelled'")
    world.execute(
        "UPDATE batch_jobs SET status = 'deleted', completed_at = '-infinity' WHERE client = 'one'"
    )
    with explaining(world.resources.engine) as plans:
        assert erased(world) == LOTS * (2 + len(LANGUAGES)) // LIMIT
        assert erased(world) == 0
    assert of_lots(plans) == []
    assert len(world.rows("SELECT FROM batch_lots WHERE position < 0")) == LOTS
    world.execute("UPDATE openai_batches SET status = 'settled'")
    with explaining(world.resources.engine) as plans:
        assert erased(world) > 0
    assert of_lots(plans) == []
    assert len(world.rows("SELECT FROM batch_jobs")) == 2


LIMIT = 1_000


def of_lots(plans):
    return [scan for scan in plans.scans if scan.table in {"batch_lots", "descriptions"}]


def erased(world):
    """How often there was something to erase."""
    times = 0
    while True:
        with world.resources.engine.begin() as connection:
            if not erasure.erase_some(connection, limit=LIMIT, calls_over=True):
                return times
        times += 1

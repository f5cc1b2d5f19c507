"""What OpenAI bills for a deleted job is booked; till then all that is kept of it is bare rows."""

import math
import time
from functools import partial
from uuid import uuid4

import pytest

from generation_service.core.lanes import Lane
from generation_service.core.status import Kind
from generation_service.db import direct as direct_calls
from generation_service.db import erasure
from generation_service.pipeline import collect
from generation_service.pipeline.cancel import cancel
from generation_service.pipeline.delete import delete
from tests.integration import books
from tests.integration.direct_world import left_behind, misbehave, once_under_way, queued
from tests.integration.stages import CLIENT, stages
from tests.integration.test_delete import OF_A_JOB, left, sweep_all
from tests.integration.test_money import at_openai, billed, hours, read_again

WORDS = "Sold by Anna"
BARE = ["batch_jobs", "batch_lots", "descriptions"]


@pytest.fixture
def world(engine):
    with stages(engine) as running:
        yield running


@pytest.fixture
def calling(engine):
    with stages(engine, batch_api=False, OPENAI_BATCH_API="off") as running:
        yield running


def by_client(world, job_id):
    delete(world.resources, CLIENT, job_id)


def by_age(world, job_id):
    world.execute(
        "UPDATE batch_jobs SET completed_at = now() - interval '91 days'"
        f" WHERE id = '{job_id}' AND status = 'cancelled'"
    )


def booked(world):
    (hours,) = world.rows(books.BOOKED)
    return hours["prompt"], hours["completion"]


def kept(world, job_id):
    """All that the database holds of the job, as text."""
    tables = [
        f"SELECT to_jsonb(t)::text AS kept FROM {table} t WHERE {column} = '{job_id}'"
        for table, column in OF_A_JOB.items()
    ]
    return "\n".join(row["kept"] for row in world.rows(" UNION ALL ".join(tables)))


@pytest.mark.parametrize("deleted", [by_client, by_age])
def test_what_an_open_batch_bills_for_a_deleted_job_is_booked(world, deleted):
    job_id = at_openai(world, 3)
    cancel(world.resources, CLIENT, job_id)
    deleted(world, job_id)
    sweep_all(world.resources)
    assert left(world, job_id) == [*BARE, "job_openai_batches"]
    collect.tick(world.resources, lambda: True)
    assert booked(world) == billed(world)[:2]
    assert hours(world) == {(Lane.BATCH, Kind.VISION): (0, 3)}
    sweep_all(world.resources)
    assert left(world, job_id) == []


def test_a_bill_that_is_read_twice_is_booked_once_for_a_deleted_job(world):
    job_id = at_openai(world)
    cancel(world.resources, CLIENT, job_id)
    by_client(world, job_id)
    for read in (partial(collect.tick, world.resources, lambda: True), partial(read_again, world)):
        read()
        sweep_all(world.resources)
    assert booked(world) == billed(world)[:2]


def test_nothing_that_the_client_sent_waits_for_the_bill(world):
    hook = f"http://127.0.0.1:{world.photos.port}/anna"
    photos = ("/1.jpg", "/2.png", "/1.jpg", "/gone.jpg")
    lots = [
        world.lot(f"anna-{n}", *photos, additional_info=WORDS, webhook_url=hook) for n in range(2)
    ]
    job_id = at_openai(world, lots=lots, metadata={"seller": WORDS})
    world.execute(
        "UPDATE descriptions SET error_code = 'image', error_message = 'No photo of Anna'"
    )
    cancel(world.resources, CLIENT, job_id)
    sent = ["anna", ".jpg", "http", "photo"]
    assert all(word in kept(world, job_id).lower() for word in sent)
    by_client(world, job_id)
    sweep_all(world.resources)
    assert left(world, job_id) == [*BARE, "job_openai_batches"]
    assert [word for word in sent if word in kept(world, job_id).lower()] == []


def test_texts_of_a_deleted_job_do_not_wait_for_the_bills_of_others(world):
    """Of two lots one is described; the other one's translation is in an open batch."""
    job_id = at_openai(world)
    world.execute(
        "UPDATE descriptions SET status = 'completed', damages = 'A dent.'"
        " WHERE id = (SELECT min(id) FROM descriptions)"
    )
    cancel(world.resources, CLIENT, job_id)
    by_client(world, job_id)
    sweep_all(world.resources)
    assert len(world.rows("SELECT FROM batch_lots")) == 1
    assert world.rows("SELECT status, damages FROM descriptions") == [
        {"status": "cancelled", "damages": None}
    ]


def test_a_direct_call_is_booked_though_its_job_was_deleted(calling):
    job_id = queued(calling, calling.lots(2), ["en"])
    misbehave(calling, "slow", seconds=1.0, times=None)
    seen = []

    def forget():
        cancel(calling.resources, CLIENT, job_id)
        by_client(calling, job_id)
        sweep_all(calling.resources)
        seen.extend(left(calling, job_id))

    once_under_way(calling, forget)
    assert seen == BARE
    assert booked(calling) == billed(calling)[:2] != (0, 0)
    look_again(calling)
    assert left(calling, job_id) == []


def look_again(world):
    """The pause after which a job that waits for direct calls is looked at is over."""
    world.execute("UPDATE batch_jobs SET updated_at = now()")
    sweep_all(world.resources)


def caller_gone(world):
    """A call whose caller died; its job was cancelled and deleted."""
    job_id = queued(world, world.lots(2), ["en"])
    left_behind(world)
    cancel(world.resources, CLIENT, job_id)
    by_client(world, job_id)
    sweep_all(world.resources)
    return job_id


def lease_over(world):
    world.execute("UPDATE descriptions SET lease_expires_at = now() - interval '1 s'")


def test_a_job_whose_caller_is_gone_is_erased_when_the_lease_is_over(calling):
    job_id = caller_gone(calling)
    look_again(calling)
    assert left(calling, job_id) == BARE
    lease_over(calling)
    look_again(calling)
    assert left(calling, job_id) == []


def test_after_an_outage_callers_have_the_time_to_record_their_bills(calling):
    job_id = caller_gone(calling)
    lease_over(calling)
    calling.resources.outage.note(time.monotonic())
    look_again(calling)
    assert left(calling, job_id) == BARE
    calling.resources.outage.note(-math.inf)
    look_again(calling)
    assert left(calling, job_id) == []


def test_while_calls_are_waited_for_other_jobs_are_erased(calling):
    waiting = caller_gone(calling)
    others = [calling.finish(calling.accept(calling.lots(2), ["en"])).id for _ in range(2)]
    for job_id in others:
        by_client(calling, job_id)
    look_again(calling)
    assert [left(calling, job_id) for job_id in (waiting, *others)] == [BARE, [], []]


def test_a_call_of_a_cancelled_job_keeps_its_lease(calling):
    job_id = queued(calling, calling.lots(1), ["en"])
    token = uuid4()
    engine = calling.resources.engine
    with engine.begin() as connection:
        (call,) = direct_calls.claim(connection, token, limit=1, every_lane=True)
    cancel(calling.resources, CLIENT, job_id)
    lease_over(calling)
    with engine.begin() as connection:
        direct_calls.renew(connection, token, [call.request.id])
    by_client(calling, job_id)
    with engine.begin() as connection:
        while erasure.erase_some(connection, limit=10, calls_over=True):
            pass
    assert left(calling, job_id) == BARE

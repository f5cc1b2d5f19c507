"""Deleted jobs are gone at once, erased in short transactions, and nobody else notices."""

from threading import Event, Thread

import pytest
from sqlalchemy import text

from generation_service.core.errors import ServiceError
from generation_service.db import deletion, erasure, jobs, queue
from generation_service.pipeline import pack, probe, submit, sweep
from generation_service.pipeline.cancel import cancel
from generation_service.pipeline.delete import delete
from tests.integration.outbox import outbox
from tests.integration.stages import CLIENT, go_on, stages
from tests.servers import Reply

OF_A_JOB = {
    "batch_jobs": "id",
    "batch_lots": "job_id",
    "descriptions": "job_id",
    "image_probes": "job_id",
    "job_openai_batches": "job_id",
    "idempotency_keys": "job_id",
    "webhook_deliveries": "batch_job_id",
}
HOOK = "https://receiver.example/hook"


@pytest.fixture
def world(engine):
    with stages(engine) as running:
        yield running


@pytest.fixture
def box(engine):
    with outbox(engine) as box:
        yield box


def left(world, job_id):
    """Tables that still know something of the job."""
    return [
        table
        for table, column in OF_A_JOB.items()
        if world.rows(f"SELECT FROM {table} WHERE {column} = '{job_id}'")
    ]


def sweep_all(resources):
    while sweep.tick(resources, go_on):
        pass


def ended(world, **more):
    return world.finish(world.accept(world.lots(3, webhook_url=HOOK), **more)).id


def bring_to_openai(world):
    for stage in (probe.tick, pack.tick, submit.tick):
        stage(world.resources, go_on)


def test_nothing_of_it_is_left(world):
    job_id, other = ended(world), ended(world)
    assert left(world, job_id) == list(OF_A_JOB)
    delete(world.resources, CLIENT, job_id)
    sweep_all(world.resources)
    assert left(world, job_id) == []
    assert left(world, other) == list(OF_A_JOB)
    assert world.rows("SELECT FROM webhook_attempts") == []


def test_it_is_gone_before_it_is_erased(world):
    job_id, other = ended(world), ended(world)
    delete(world.resources, CLIENT, job_id)
    with world.resources.engine.connect() as connection:
        assert jobs.find(connection, job_id, CLIENT) is None
        listed, total = jobs.page(connection, client=CLIENT, status=None, limit=10, offset=0)
    assert ([job.id for job in listed], total) == ([other], 1)
    assert not {"idempotency_keys", "webhook_deliveries"} & set(left(world, job_id))
    with pytest.raises(ServiceError) as refused:
        delete(world.resources, CLIENT, job_id)
    assert refused.value.code == "not_found"


def test_only_its_client_can_delete_it_and_only_once_it_has_ended(world):
    job_id = world.accept(world.lots(2), ["en"])
    with pytest.raises(ServiceError) as refused:
        delete(world.resources, "acme", job_id)
    assert refused.value.code == "not_found"
    with pytest.raises(ServiceError) as refused:
        delete(world.resources, CLIENT, job_id)
    assert (refused.value.code, refused.value.extra) == ("job_not_ended", {"status": "pending"})
    assert world.finish(job_id).lots_failed == 0


def test_it_is_erased_a_few_rows_at_a_time_by_whoever_has_time(world):
    job_id = ended(world)
    delete(world.resources, CLIENT, job_id)
    engine = world.resources.engine
    rows = ["SELECT FROM descriptions", "SELECT FROM batch_lots", "SELECT FROM batch_jobs"]
    seen = []
    with engine.begin() as busy:
        assert erasure.erase_some(busy, limit=4, calls_over=True)
        with engine.begin() as other:
            assert not erasure.erase_some(other, limit=4, calls_over=True)
    while True:
        seen.append(tuple(len(world.rows(query)) for query in rows))
        with engine.begin() as connection:
            if not erasure.erase_some(connection, limit=4, calls_over=True):
                break
    assert seen[:3] == [(4, 2, 1), (2, 1, 1), (0, 0, 1)]
    assert seen[-1] == (0, 0, 0)


def test_lines_of_a_deleted_job_disturb_nobody_in_an_open_openai_batch(world):
    deleted, other = (world.accept(world.lots(2), ["en"]) for _ in range(2))
    bring_to_openai(world)
    cancel(world.resources, CLIENT, deleted)
    delete(world.resources, CLIENT, deleted)
    sweep_all(world.resources)
    assert left(world, deleted) == [
        "batch_jobs",
        "batch_lots",
        "descriptions",
        "job_openai_batches",
    ]
    assert world.finish(other).lots_failed == 0
    world.run_until(lambda: not open_openai_batches(world))
    sweep_all(world.resources)
    assert left(world, deleted) == []
    (batch,) = world.rows("SELECT status, requests, prompt_tokens FROM openai_batches")
    assert (batch["status"], batch["requests"]) == ("settled", 4)
    assert len(world.billed()) == 4


def test_an_openai_batch_without_any_job_left_ends_as_ever(world):
    job_id = world.accept(world.lots(2), ["en"])
    bring_to_openai(world)
    cancel(world.resources, CLIENT, job_id)
    delete(world.resources, CLIENT, job_id)
    sweep_all(world.resources)
    world.run_until(lambda: not open_openai_batches(world))
    sweep_all(world.resources)
    assert left(world, job_id) == []


def test_an_openai_batch_of_a_deleted_job_takes_its_room_until_it_ends(world):
    world.simulator.rules.add({"on": "batch", "do": "stall", "fraction": 0})
    job_id = world.accept(world.lots(2), ["en"])
    bring_to_openai(world)
    cancel(world.resources, CLIENT, job_id)
    delete(world.resources, CLIENT, job_id)
    sweep_all(world.resources)
    with world.resources.engine.connect() as connection:
        assert [share.open for share in queue.shares(connection, newest=1)] == [True]


def test_a_deleted_job_that_waits_for_its_openai_batch_keeps_no_other_from_being_erased(world):
    world.simulator.rules.add({"on": "batch", "do": "stall", "fraction": 0, "times": 1})
    waiting = world.accept(world.lots(2), ["en"])
    bring_to_openai(world)
    cancel(world.resources, CLIENT, waiting)
    others = [ended(world) for _ in range(2)]
    world.execute(f"UPDATE openai_batches SET status = 'submitted' WHERE id = '{batch_of(world)}'")
    for job_id in (waiting, *others):
        delete(world.resources, CLIENT, job_id)
    sweep_all(world.resources)
    assert [left(world, job_id) for job_id in others] == [[], []]


def batch_of(world):
    (first, *_) = world.rows("SELECT id FROM openai_batches ORDER BY created_at")
    return first["id"]


def open_openai_batches(world):
    return world.rows("SELECT FROM openai_batches WHERE status <> 'settled'")


def test_a_webhook_on_its_way_arrives_and_is_recorded_nowhere(box):
    gate = Event()
    box.receiver.replies["/hook"] = Reply(held=gate)
    job_id = box.job(box.url())
    delivering = Thread(target=box.deliver)
    delivering.start()
    box.receiver.wait_for_hits(1)
    delete(box.resources, "default", job_id)
    gate.set()
    delivering.join()
    assert box.rows("SELECT FROM webhook_deliveries") == []
    assert box.rows("SELECT FROM webhook_attempts") == []


def test_no_other_webhook_of_it_is_sent(box):
    job_id = box.job(box.url())
    delete(box.resources, "default", job_id)
    box.deliver()
    assert box.received() == []


def test_jobs_are_deleted_so_many_days_after_their_last_run_ended(box):
    old, young, retried = (box.job(box.url()) for _ in range(3))
    for job_id, days in ((old, 91), (young, 89), (retried, 91)):
        age(box, job_id, days)
    box.rows(
        "UPDATE batch_jobs SET status = 'processing', completed_at = NULL WHERE id = :id",
        id=retried,
    )
    sweep_all(box.resources)
    assert {row["id"] for row in box.rows("SELECT id FROM batch_jobs")} == {young, retried}
    assert {row["job_id"] for row in box.rows("SELECT job_id FROM batch_lots")} == {young, retried}


def test_zero_days_of_retention_keep_everything(box):
    job_id = box.job(box.url())
    age(box, job_id, 4_000)
    sweep_all(box.elsewhere(retention_days=0).resources)
    assert len(box.rows("SELECT FROM batch_jobs")) == 1


def age(box, job_id, days):
    box.rows(
        "UPDATE batch_jobs SET completed_at = now() - make_interval(days => :days) WHERE id = :id",
        id=job_id,
        days=days,
    )


def test_openai_batches_are_forgotten_once_no_job_is_left_of_them(world):
    ended(world)
    kept = len(world.rows("SELECT FROM openai_batches"))
    world.execute("UPDATE openai_batches SET settled_at = now() - interval '91 days'")
    sweep_all(world.resources)
    assert len(world.rows("SELECT FROM openai_batches")) == kept == 2
    world.execute("UPDATE batch_jobs SET completed_at = now() - interval '91 days'")
    sweep_all(world.resources)
    assert world.rows("SELECT FROM openai_batches") == []


@pytest.mark.parametrize(("days", "forgotten"), [(29, 0), (31, 1)])
def test_openai_batches_are_kept_as_long_as_openai_keeps_their_files(engine, days, forgotten):
    with engine.begin() as connection:
        connection.execute(text(_SETTLED), {"days": days})
        assert deletion.delete_old_openai_batches(connection, days=1, limit=5) == forgotten


_SETTLED = """
    INSERT INTO openai_batches (id, kind, model, status, settled_at)
    VALUES (gen_random_uuid(), 'vision', 'gpt', 'settled', now() - make_interval(days => :days))
"""

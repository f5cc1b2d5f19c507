"""OpenAI lets 2,000 batches be created an hour: of all processes together, in any hour."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from generation_service.core.limits import MAX_CREATIONS_AN_HOUR
from generation_service.core.status import JobStatus
from generation_service.db import creations
from generation_service.pipeline import pack, probe, submit
from tests.integration.stages import go_on, stages


def take(engine, limit):
    with engine.begin() as connection:
        return creations.take(connection, limit=limit)


def age(engine, minutes):
    """Let so many minutes pass for every creation that was counted."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"UPDATE rate_limit_windows SET window_start = window_start - interval '{minutes} min'"
        )


def test_processes_that_create_at_once_are_allowed_no_more_than_the_limit(engine):
    with ThreadPoolExecutor(8) as processes:
        waits = list(processes.map(lambda _: take(engine, 7), range(24)))
    assert waits.count(0) == 7
    assert all(0 < wait <= 61 * 60 for wait in waits if wait)


def test_the_hour_slides(engine):
    assert [take(engine, 3) for _ in range(2)] == [0, 0]
    age(engine, 40)
    assert take(engine, 3) == 0
    assert 20 * 60 <= take(engine, 3) <= 21 * 60
    age(engine, 21)
    assert [take(engine, 3) == 0 for _ in range(3)] == [True, True, False]


@pytest.fixture
def world(engine):
    with stages(engine) as running:
        yield running


def use_up(world):
    world.execute(
        "INSERT INTO rate_limit_windows SELECT 'openai batches created',"
        f" date_trunc('minute', now()), {MAX_CREATIONS_AN_HOUR}"
    )


def test_a_batch_waits_for_its_creation_without_a_vain_try_or_an_upload(world):
    job_id = world.accept(world.lots(2), ["en"])
    use_up(world)
    for stage in (probe.tick, pack.tick, submit.tick):
        stage(world.resources, go_on)
    (batch,) = world.rows(
        "SELECT status, tries, lease_token, next_try_at > now() + interval '50 min' AS waits"
        " FROM openai_batches"
    )
    assert batch == {"status": "building", "tries": 0, "lease_token": None, "waits": True}
    assert "POST /v1/files" not in world.simulator.traffic.document
    age(world.resources.engine, 61)
    world.execute("UPDATE openai_batches SET next_try_at = now()")
    assert world.finish(job_id).status is JobStatus.COMPLETED


def test_a_creation_whose_outcome_is_unclear_counts(world):
    world.simulator.rules.add({"on": "create", "do": "reset_after", "times": 1})
    job_id = world.accept(world.lots(2), ["en"])
    for stage in (probe.tick, pack.tick, submit.tick):
        stage(world.resources, go_on)
    (counted,) = world.rows("SELECT sum(hits) AS creations FROM rate_limit_windows")
    assert counted["creations"] == 1
    assert world.finish(job_id).status is JobStatus.COMPLETED

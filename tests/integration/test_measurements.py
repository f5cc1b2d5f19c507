"""Queues, OpenAI's errors and heartbeats: written down by a stage, read back for the charts."""

import json
from collections import Counter
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError

from generation_service.db import measurements, operations, queues
from generation_service.db.engine import make_engine
from generation_service.pipeline import collect, measure, pack, probe, submit
from generation_service.telemetry import openai_errors
from tests.integration.outbox import outbox
from tests.integration.stages import go_on, stages
from tests.servers import LoopbackServer, Reply


@pytest.fixture
def world(engine):
    openai_errors.unwritten().take()  # what other tests have left
    with stages(engine) as started:
        yield started


def depths(engine):
    with engine.connect() as connection:
        return {queue.name: queue.depth for queue in queues.queues(connection) if queue.depth}


def test_work_is_counted_in_the_queue_it_waits_in(engine, world):
    job_id = world.accept(world.lots(5), ["en", "ru", "de"])
    assert depths(engine) == {"images": 5}
    probe.tick(world.resources, go_on)
    assert depths(engine) == {"vision": 5}
    pack.tick(world.resources, go_on)
    assert depths(engine) == {"vision": 5}  # it has not been taken yet
    submit.tick(world.resources, go_on)
    assert depths(engine) == {"openai_vision": 5}
    world.run_until(lambda: "translation" in depths(engine) or done(world, job_id))
    assert depths(engine).get("translation", 10) == 10
    world.finish(job_id)
    assert depths(engine) == {}


def done(world, job_id):
    return world.job(job_id).completed_at is not None


def test_the_sum_of_all_queues_is_what_a_job_lacks(engine, world):
    job_id = world.accept(world.lots(4), ["en", "ru", "de"])
    seen = []

    def looked():
        seen.append(depths(engine))
        return done(world, job_id)

    world.run_until(looked)
    assert {name for found in seen for name in found} <= {
        "images", "vision", "openai_vision", "translation", "openai_translation"
    }  # fmt: skip
    assert all(sum(found.values()) <= 8 for found in seen)


def test_a_queue_s_age_is_that_of_its_oldest(engine, world):
    world.accept(world.lots(2))
    world.execute("UPDATE batch_jobs SET run_started_at = now() - interval '90 s'")
    with engine.connect() as connection:
        [images] = [queue for queue in queues.queues(connection) if queue.name == "images"]
        empty = [queue for queue in queues.queues(connection) if not queue.depth]
    assert images.oldest_seconds == pytest.approx(90, abs=30)
    assert {queue.oldest_seconds for queue in empty} == {None}
    assert len(empty) == 6


def test_deliveries_wait_until_they_end_and_those_of_paused_endpoints_apart(engine):
    receiver = LoopbackServer({"/hook": Reply(status=410)})
    with receiver, stages(engine, hosts=[receiver.port]) as world:
        lots = world.lots(2, webhook_url=receiver.url("/hook"))
        world.finish(world.accept(lots))
        assert depths(engine) == {"deliveries": 1}
        world.deliver()
        world.finish(world.accept(lots))
        world.deliver()
    assert depths(engine) == {"paused": 1}


def test_a_delivery_that_is_sent_again_waits_since_then(engine):
    with outbox(engine) as world:
        delivery = world.send(Reply())
        world.rows("UPDATE webhook_deliveries SET created_at = now() - interval '80 days'")
        assert world.redeliver(delivery).status_code == 202
    with engine.connect() as connection:
        [due] = [queue for queue in queues.queues(connection) if queue.depth]
    assert due.name == "deliveries"
    assert due.oldest_seconds == pytest.approx(0, abs=60)


def day(connection):
    return measurements.samples(connection, hours=24, step_minutes=5)


def test_a_minute_has_one_sample_of_each_queue_whoever_takes_it(engine, world):
    world.accept(world.lots(3))
    for _ in range(3):
        measure.tick(world.resources, go_on)
    rows = world.rows("SELECT count(*) AS rows, count(DISTINCT at) AS minutes FROM queue_samples")
    assert rows[0]["rows"] in {7, 14}  # two, if a minute has just begun
    assert rows[0]["rows"] == 7 * rows[0]["minutes"]
    with engine.connect() as connection:
        taken = {s.queue: s.depth for s in day(connection)}
    assert taken["images"] == 3


def test_samples_are_read_at_their_fullest_in_steps(engine, world):
    world.execute("""
        INSERT INTO queue_samples (at, queue, depth, oldest_seconds)
        SELECT date_trunc('hour', now()) - make_interval(hours => 2, mins => m), 'vision', m, m
        FROM generate_series(1, 59) m
    """)
    with engine.connect() as connection:
        [hour] = measurements.samples(connection, hours=24, step_minutes=60)
        steps = day(connection)
    assert (hour.depth, hour.oldest_seconds) == (59, 59)
    assert [sample.depth for sample in steps] == [59, 55, 50, 45, 40, 35, 30, 25, 20, 15, 10, 5]


def test_errors_are_written_once_and_add_up_over_processes(engine, world):
    for _ in range(2):
        with openai_errors.asked_for("vision"):
            openai_errors.note("openai_rate_limited", 2)
            openai_errors.note("openai_error")
        measure.tick(world.resources, go_on)
        measure.tick(world.resources, go_on)
    with engine.connect() as connection:
        found = measurements.errors_by_hour(connection, hours=24)
    totals: Counter[tuple[str, str]] = Counter()
    for each in found:
        totals[each.api, each.code] += each.errors
    assert totals == {("vision", "openai_rate_limited"): 4, ("vision", "openai_error"): 2}


def test_what_nobody_asked_for_is_not_counted(world):
    openai_errors.note("openai_error")
    measure.tick(world.resources, go_on)
    assert world.rows("SELECT FROM openai_error_hours") == []


def elsewhere(url):
    """A database that does not exist."""
    gone = make_url(url).set(database=f"gone_{uuid4().hex}")
    return gone.render_as_string(hide_password=False)


def test_errors_that_can_t_be_written_are_kept(world, database_url):
    gone = make_engine(elsewhere(database_url))
    with openai_errors.asked_for("translation"):
        openai_errors.note("openai_error")
    with stages(gone) as other, pytest.raises(SQLAlchemyError):
        measure.tick(other.resources, go_on)
    measure.tick(world.resources, go_on)
    assert len(world.rows("SELECT FROM openai_error_hours")) == 1


def test_calls_of_openai_that_fail_are_counted_with_their_code(engine):
    openai_errors.unwritten().take()
    with stages(engine) as world:
        world.simulator.rules.add({"on": "create", "do": "status", "status": 429, "times": 2})
        world.simulator.rules.add({"on": "line", "do": "refuse", "times": 1})
        world.finish(world.accept(world.lots(3), ["en"]))
        measure.tick(world.resources, go_on)
        found = world.rows("SELECT api, code, errors FROM openai_error_hours ORDER BY code")
    assert [(row["api"], row["code"], row["errors"]) for row in found] == [
        ("vision", "openai_rate_limited", 2),
        ("vision", "openai_refused", 1),
    ]


def test_an_error_in_a_file_that_is_read_again_is_counted_once(world):
    world.simulator.rules.add({"on": "line", "do": "refuse", "times": 1})
    world.finish(world.accept(world.lots(2), ["en"]))
    world.execute(
        "UPDATE openai_batches SET status = 'collecting', settled_at = NULL, next_try_at = now(),"
        " lease_expires_at = NULL"
    )
    assert collect.tick(world.resources, go_on)
    measure.tick(world.resources, go_on)
    assert world.rows("SELECT code, errors FROM openai_error_hours") == [
        {"code": "openai_refused", "errors": 1}
    ]


def test_heartbeats_tell_every_process_and_the_youngest_of_each_stage(engine):
    with engine.begin() as connection:
        for process in ("a:1", "b:2"):
            operations.beat(connection, process, "probe")
        older = "UPDATE worker_heartbeats SET ticked_at = now() - interval '50 s'"
        connection.execute(text(f"{older} WHERE process = 'a:1'"))
        beats = measurements.heartbeats(connection)
        youngest = measurements.youngest_heartbeats(connection)
    assert [(beat.process, beat.stage) for beat in beats] == [("a:1", "probe"), ("b:2", "probe")]
    assert beats[0].age_seconds >= 50
    assert youngest["probe"] < 50


def test_throughput_adds_up_over_clients_and_models(engine, world):
    world.execute("""
        INSERT INTO usage_hours (hour, client, kind, lane, model, simulated, completed, failed)
        SELECT date_trunc('hour', now()), client, 'vision', 'batch', model, false, 10, 1
        FROM unnest(ARRAY['a', 'b']) client, unnest(ARRAY['m', 'n']) model
    """)
    with engine.connect() as connection:
        [hour] = measurements.throughput_by_hour(connection, hours=24)
    assert (hour.kind, hour.completed, hour.failed) == ("vision", 40, 4)


def plans(engine):
    """The plans of what is read at every scrape, with no table preferred for being small."""
    with engine.connect() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        found = connection.execute(
            text("EXPLAIN (FORMAT JSON) " + queues._QUEUES),  # noqa: SLF001
            {"most": 1},
        ).scalar_one()
    return json.dumps(found)


def test_what_is_read_at_every_scrape_has_its_indexes(engine):
    plan = plans(engine)
    for table in ("batch_jobs", "descriptions", "webhook_deliveries", "openai_batches"):
        assert (
            f'"Node Type": "Seq Scan", "Parent Relationship": "Outer", "Relation Name": "{table}"'
            not in plan
        )
    for index in ("batch_jobs_active", "descriptions_queued", "webhook_deliveries_due"):
        assert index in plan

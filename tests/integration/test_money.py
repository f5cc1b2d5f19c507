"""What OpenAI bills is booked: on the request, on its job and on the hour, once each."""

from functools import partial

import pytest

from generation_service.core.charges import Charge
from generation_service.core.lanes import Lane
from generation_service.core.prices import PRICES, cost_nanos
from generation_service.core.status import JobStatus, Kind, OpenAIBatchStatus
from generation_service.db import usage
from generation_service.pipeline import collect, pack, poll, probe, submit, tariffs
from generation_service.pipeline.answers import answers
from generation_service.pipeline.cancel import cancel
from generation_service.pipeline.claims import claimed
from generation_service.pipeline.retry import retry
from generation_service.pipeline.settle import Answer, record_answers
from generation_service.pipeline.transactions import transaction
from tests.integration import books
from tests.integration.direct_world import misbehave, once_under_way, queued
from tests.integration.operator import done, newest
from tests.integration.stages import CLIENT, go_on, stages
from tests.waiting import until


@pytest.fixture
def world(engine):
    with stages(engine) as running:
        yield running


@pytest.fixture
def calling(engine):
    with stages(engine, batch_api=False, OPENAI_BATCH_API="off") as running:
        yield running


def billed(world):
    """What the other side has billed: (prompt, completion, cost) by the prices of November 2026."""
    prompt = completion = cost = 0
    for entry in world.simulator.ledger:
        prompt, completion = prompt + entry["input_tokens"], completion + entry["output_tokens"]
        cost += cost_nanos(
            PRICES[entry["model"]],
            prompt_tokens=entry["input_tokens"],
            cached_tokens=0,
            completion_tokens=entry["output_tokens"],
            batch=entry["kind"] == "batch",
        )
    return prompt, completion, cost


def on_jobs(world):
    charged = [world.job(row["id"]).charge for row in world.rows("SELECT id FROM batch_jobs")]
    assert world.rows(books.WRONG_MONEY) == []
    return (
        sum(charge.prompt_tokens for charge in charged),
        sum(charge.completion_tokens for charge in charged),
        sum(charge.cost_nanos for charge in charged),
    )


def hours(world):
    """Lane, kind -> texts, useless answers."""
    with world.resources.engine.connect() as connection:
        spent = usage.by_day(connection, 1)
    return {
        (each.account.lane, each.account.kind): (each.tally.completed, each.tally.failed)
        for each in spent
    }


def test_a_job_costs_what_its_requests_were_billed(world):
    job = world.finish(world.accept(world.lots(3), ["en", "de", "ru"]))
    assert job.texts_simulated == 9
    assert on_jobs(world) == billed(world)
    assert hours(world) == {
        (Lane.BATCH, Kind.VISION): (3, 0),
        (Lane.BATCH, Kind.TRANSLATION): (6, 0),
    }


SCRIPT = {"do": "text", "text": "<script>1</script>"}


@pytest.mark.parametrize(
    "fault",
    [*({"do": do} for do in ("refuse", "length", "content_filter", "empty_text")), SCRIPT],
    ids=lambda fault: fault["do"],
)
def test_useless_answers_are_paid_for_too(world, fault):
    world.simulator.rules.add({"on": "line", "times": 2, **fault})
    world.finish(world.accept(world.lots(2), ["en", "ru"]))
    assert on_jobs(world) == billed(world)
    assert sum(failed for _, failed in hours(world).values()) == 2
    assert world.rows("SELECT 1 FROM usage_hours WHERE NOT simulated") == []


@pytest.mark.parametrize("fault", ["refuse", "length", "empty_text"])
def test_by_direct_calls_everything_costs_twice_as_much(calling, fault):
    misbehave(calling, fault, times=1)
    calling.finish(calling.accept(calling.lots(2), ["en", "ru"]))
    assert on_jobs(calling) == billed(calling)
    assert {lane for lane, _ in hours(calling)} == {Lane.DIRECT}


@pytest.mark.parametrize("fault", ["error", "missing", "malformed", "duplicate"])
def test_what_brought_no_answer_is_not_booked(world, fault):
    world.simulator.rules.add({"on": "line", "do": fault, "times": 1})
    world.finish(world.accept(world.lots(2), ["en"]))
    assert hours(world) == {(Lane.BATCH, Kind.VISION): (2, 0)}
    assert world.rows(books.WRONG_MONEY) == []


def test_a_retry_adds_to_what_the_job_has_cost(world):
    world.simulator.rules.add({"on": "line", "do": "refuse", "times": 1})
    job = world.finish(world.accept(world.lots(2), ["en"]))
    retry(world.resources, CLIENT, job.id)
    assert world.finish(job.id).lots_failed == 0
    assert on_jobs(world) == billed(world)


def test_a_model_without_a_price_is_counted_in_tokens_and_has_no_cost(engine):
    with stages(engine, TRANSLATION_MODEL="gpt-6-luna", MODEL_PRICES="gpt-6-luna:0/0/0") as world:
        job = world.finish(world.accept(world.lots(1), ["en", "ru"]))
        assert world.rows("SELECT cost_nanos FROM descriptions WHERE kind = 'translation'") == [
            {"cost_nanos": 0}
        ]
        assert job.charge.cost_nanos > 0


def at_openai(world, count=2, *, lots=None, **more):
    """The id of a job whose OpenAI batch has ended, and waits to be collected."""
    job_id = world.accept(lots or world.lots(count), ["en"], **more)
    for stage in (probe, pack, submit):
        stage.tick(world.resources, go_on)
    until(partial(_ended, world), what="OpenAI has worked the batch")
    return job_id


def _ended(world):
    poll.tick(world.resources, go_on)
    return world.rows("SELECT 1 FROM openai_batches WHERE status = 'collecting'")


def test_what_openai_did_for_a_cancelled_job_is_paid_for(world):
    job_id = at_openai(world)
    cancel(world.resources, CLIENT, job_id)
    before = world.job(job_id)
    collect.tick(world.resources, go_on)
    assert on_jobs(world) == billed(world)
    assert hours(world) == {(Lane.BATCH, Kind.VISION): (0, 2)}
    after = world.job(job_id)
    assert (after.status, after.updated_at) == (JobStatus.CANCELLED, before.updated_at)
    assert world.rows("SELECT 1 FROM descriptions WHERE damages IS NOT NULL") == []


def test_a_direct_call_that_a_cancellation_overtook_is_paid_for(calling):
    job_id = queued(calling, calling.lots(2), ["en"])
    misbehave(calling, "slow", seconds=1.0, times=None)
    once_under_way(calling, lambda: cancel(calling.resources, CLIENT, job_id))
    assert on_jobs(calling) == billed(calling)
    assert on_jobs(calling)[0] > 0


def read_again(world):
    """The file is read from the start once more, as after a crash."""
    world.execute(
        "UPDATE openai_batches SET status = 'collecting', settled_at = NULL, next_try_at = now(),"
        " lease_expires_at = NULL"
    )
    assert collect.tick(world.resources, go_on)


@pytest.mark.parametrize("cancelled", [False, True])
def test_an_answer_that_is_read_twice_is_booked_once(world, cancelled):
    job_id = at_openai(world)
    if cancelled:
        cancel(world.resources, CLIENT, job_id)
    collect.tick(world.resources, go_on)
    read_again(world)
    assert on_jobs(world) == billed(world)


def test_a_crash_while_answers_are_recorded_books_nothing(world):
    job_id = at_openai(world)
    batch = claimed(world.resources, [OpenAIBatchStatus.COLLECTING])
    assert batch
    assert batch.output_file_id
    read = list(answers(world.resources, batch.id, batch.output_file_id))
    tariff = tariffs.of_batch(world.resources.settings, batch)
    with pytest.raises(ZeroDivisionError):
        transaction(
            world.resources.engine,
            lambda connection: 1 / (0 * len([record_answers(connection, batch, read, tariff)])),
        )
    assert hours(world) == {}
    assert world.job(job_id).charge == Charge()
    world.execute("UPDATE openai_batches SET lease_expires_at = now() - interval '1 s'")
    world.finish(job_id)
    assert on_jobs(world) == billed(world)


def test_answers_brought_in_later_are_booked_then_and_once(world):
    """Of three attempts whose files were lost, the last one's answers are found again."""
    world.simulator.rules.add({"on": "content", "do": "status", "status": 404})
    job = world.finish(world.accept(world.lots(2), ["en"]))
    assert (job.status, job.charge) == (JobStatus.FAILED, Charge())
    world.simulator.rules.clear()
    for _ in range(2):
        done(world, "jobs", "reingest", newest(world)["openai_id"])
        world.finish(job.id)
    assert tuple(3 * booked for booked in on_jobs(world)) == billed(world)


def test_an_answer_to_an_attempt_that_was_given_up_is_not_booked(world):
    job_id = at_openai(world, 1)
    batch = claimed(world.resources, [OpenAIBatchStatus.COLLECTING])
    assert batch
    assert batch.output_file_id
    (answer,) = answers(world.resources, batch.id, batch.output_file_id)
    late = Answer(answer.description, answer.attempt + 1, answer.reply)
    with world.resources.engine.begin() as connection:
        tariff = tariffs.of_batch(world.resources.settings, batch)
        record_answers(connection, batch, [late], tariff)
    assert (hours(world), world.job(job_id).charge) == ({}, Charge())

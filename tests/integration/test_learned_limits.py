"""What OpenAI teaches: how many tokens may wait, and what estimates are worth."""

import pytest

from generation_service.core.limits import MAX_ENQUEUED_LIMIT
from generation_service.core.status import Kind
from generation_service.core.token_estimates import Usage
from generation_service.db import model_limits, token_estimates
from generation_service.pipeline import pack
from tests.integration.giants import giant
from tests.integration.stages import go_on, stages

TERRA = "gpt-6.1-terra"


@pytest.fixture
def world(engine):
    with stages(engine, openai={"fetch": False}) as running:
        yield running


def learn(engine, limit=900_000, pause=30.0):
    with engine.begin() as connection:
        model_limits.learn(
            connection, "m", limit=limit, pause_seconds=pause, longest_pause_seconds=900.0
        )


def known(engine):
    with engine.connect() as connection:
        return model_limits.of_models(connection, ["m", "unknown"])


def passed(engine, seconds):
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"UPDATE model_limits SET learned_at = learned_at - interval '{seconds} s',"
            f" paused_until = paused_until - interval '{seconds} s'"
        )


def pause(engine):
    with engine.connect() as connection:
        row = connection.exec_driver_sql("SELECT paused_until - learned_at FROM model_limits")
        return row.scalar_one().total_seconds()


@pytest.mark.parametrize(("days", "factor"), [(0.9, 1), (1.1, 2), (3.5, 8), (400, 2**30)])
def test_a_learned_limit_is_tried_again_day_by_day(engine, days, factor):
    learn(engine)
    passed(engine, days * 86_400)
    assert known(engine)["m"].enqueued_tokens == 900_000 * factor
    learn(engine)
    assert known(engine)["m"].enqueued_tokens == 900_000


def test_no_limit_grows_beyond_what_can_be_counted(engine):
    learn(engine, limit=15_000_000_000)
    passed(engine, 400 * 86_400)
    assert known(engine)["m"].enqueued_tokens == MAX_ENQUEUED_LIMIT


def test_a_refusal_that_names_no_limit_keeps_the_one_that_is_known(engine):
    learn(engine)
    learn(engine, limit=None)
    assert known(engine)["m"] == model_limits.ModelLimit(900_000, paused=True)
    assert "unknown" not in known(engine)


def test_batches_refused_at_once_pause_as_long_as_one(engine):
    for _ in range(4):
        learn(engine)
    assert pause(engine) == pytest.approx(30)


def test_the_pause_doubles_while_what_goes_after_it_is_refused_too(engine):
    pauses = []
    for _ in range(8):
        learn(engine)
        pauses.append(round(pause(engine)))
        passed(engine, pauses[-1] + 600)
    assert pauses == [30, 60, 120, 240, 480, 900, 900, 900]
    passed(engine, 3_600)
    learn(engine)
    assert pause(engine) == pytest.approx(30)


def usages(engine, *, simulated=False):
    with engine.connect() as connection:
        return token_estimates.every(connection, simulated=simulated)


def test_settled_batches_teach_what_their_completed_lines_were_billed(world):
    world.simulator.rules.add({"on": "line", "do": "refuse", "times": 1})
    world.finish(world.accept(world.lots(3), ["en", "ru"]))
    for kind, completed in [(Kind.VISION, 2), (Kind.TRANSLATION, 2)]:
        (row,) = world.rows(
            "SELECT count(*) AS lines, sum(estimated_tokens) AS estimated,"
            " sum(prompt_tokens) AS prompt FROM descriptions"
            f" WHERE kind = '{kind.value}' AND status = 'completed'"
        )
        model = world.resources.settings.vision_model
        if kind is Kind.TRANSLATION:
            model = world.resources.settings.translation_model
        assert row["lines"] == completed
        learned = usages(world.resources.engine, simulated=True)
        assert learned[model, kind] == Usage(row["estimated"], row["prompt"])
    assert usages(world.resources.engine) == {}


def test_recent_usage_counts_more(engine):
    for prompt in (200_000_000, 50_000_000):
        with engine.begin() as connection:
            usage = Usage(200_000_000, prompt)
            token_estimates.learn(connection, "m", Kind.VISION, usage, simulated=False)
    learned = usages(engine)["m", Kind.VISION]
    assert learned == Usage(240_000_000, 90_000_000)


@pytest.mark.parametrize(("billed", "requests"), [(None, 900), (1_000_000, 818), (250_000, 3_214)])
def test_what_is_packed_and_what_is_in_flight_are_corrected_alike(engine, billed, requests):
    limit = f"{TERRA}:1000000"
    with stages(engine, openai={"fetch": False}, MAX_ENQUEUED_TOKENS=limit) as world:
        if billed:
            with engine.begin() as connection:
                usage = Usage(1_000_000, billed)
                token_estimates.learn(connection, TERRA, Kind.VISION, usage, simulated=False)
        giant(world, 5_000)
        pack.tick(world.resources, go_on)
        packed = [row["requests"] for row in world.rows("SELECT requests FROM openai_batches")]
        assert sum(packed) == requests


def test_a_request_that_is_larger_than_openai_s_limit_ends_with_its_words(engine):
    model = {"enqueued_tokens": {TERRA: 2_000}, "fetch": False}
    with stages(engine, openai=model) as world:
        photos = [f"/{number}.jpg" for number in (1, 1, 1)]
        huge = world.lot("huge", *photos, additional_info="x" * 9_000)

        def ended():
            world.execute("UPDATE model_limits SET paused_until = now()")
            return world.job(job_id).completed_at is not None

        job_id = world.accept([huge, world.lot("other")], ["en"])
        world.run_until(ended, seconds=60)
        lots = world.results(job_id)
    assert lots[0].error is not None
    assert "Enqueued token limit reached" in lots[0].error.message

"""What an order would cost: told beforehand, stored with the job, and limited if anybody wishes."""

import pytest

from generation_service.core.charges import Account, Charge, Tally
from generation_service.core.lanes import Lane
from generation_service.core.status import Kind
from generation_service.core.token_estimates import Usage
from generation_service.db import charges, token_estimates
from tests.integration.api_service import GENERATE, OTHER_KEY, serving
from tests.integration.stages import stages
from tests.integration.test_idempotency_sync import described, failed, openai_answers

ESTIMATE = "/api/v1/estimate"
TABLES = ("batch_jobs", "batch_lots", "idempotency_keys", "usage_hours", "seen_signatures")
FACTOR = 12
"""How far above the bill an estimate may be before anything was learned: the photos are tiny."""


@pytest.fixture
def service(engine):
    with serving(engine) as service:
        yield service


def lots(service, count=2):
    return [service.lot(number) for number in range(count)]


def estimated(service, count=2, **fields):
    answer = service.client.post(ESTIMATE, json=service.signed(lots(service, count)) | fields)
    assert answer.status_code == 200, answer.text
    return answer.json


def error(answer):
    return answer.status_code, answer.json["error"]


def test_an_order_is_estimated_and_nothing_is_stored(service):
    found = estimated(service, 3, languages=["en", "de", "ru"])
    assert (found["lots"], found["images"], found["descriptions"]) == (3, 3, 9)
    assert found["requests"] == {"vision": 3, "translation": 6}
    assert found["cost_usd"]["direct"] == pytest.approx(2 * found["cost_usd"]["batch"], abs=2e-6)
    assert (found["lane"], found["openai_batches"]) == ("batch", 2)
    assert found["estimated_cost_usd"] == found["cost_usd"]["batch"]
    assert (found["max_cost_usd"], found["exceeds_max_cost"]) == (None, None)
    assert {table: service.rows(table) for table in TABLES} == dict.fromkeys(TABLES, 0)
    assert service.outside.hits("/photo.png") == 0


def test_one_lot_goes_by_direct_calls(service):
    found = estimated(service, 1, languages=["en", "de"])
    assert (found["lane"], found["openai_batches"], found["estimated_seconds"]) == ("direct", 0, 30)
    assert found["estimated_cost_usd"] == found["cost_usd"]["direct"]


def test_it_counts_as_polling(service):
    answer = service.client.post(ESTIMATE, json=service.signed(lots(service)))
    assert answer.headers["RateLimit-Limit"] == "1000"
    assert answer.headers["RateLimit-Remaining"] == "999"


def test_a_wrong_signature_is_a_403(service):
    answer = service.client.post(ESTIMATE, json=service.signed(lots(service), key=OTHER_KEY))
    assert error(answer) == (403, "invalid_body_signature")


@pytest.mark.parametrize(
    "fault",
    [
        {"languages": []},
        {"languages": ["xx-unknown"]},
        {"version": "2.0.0"},
        {"metadata": 7},
        {"max_cost_usd": 0},
        {"max_cost_usd": -1},
        {"max_cost_usd": True},
        {"max_cost_usd": "5"},
        {"max_cost_usd": [5]},
        {"max_cost_usd": 1_000_000_001},
        {"max_cost_usd": 10**400},
    ],
    ids=str,
)
def test_what_can_t_be_ordered_can_t_be_estimated(service, fault):
    body = service.signed(lots(service)) | fault
    ordered, asked = (service.client.post(path, json=body) for path in (GENERATE, ESTIMATE))
    assert (asked.status_code, asked.json) == (ordered.status_code, ordered.json)
    assert asked.status_code == 400


@pytest.mark.parametrize("count", range(2, 12))  # sums are rounded up and down
def test_the_estimate_itself_is_a_limit_that_is_kept_to(service, count):
    order = {"languages": ["en", "de"]}
    limit = estimated(service, count, **order)["estimated_cost_usd"]
    assert estimated(service, count, max_cost_usd=limit, **order)["exceeds_max_cost"] is False
    assert service.generate(*lots(service, count), max_cost_usd=limit, **order).status_code == 201
    less = estimated(service, count, max_cost_usd=limit - 0.000001, **order)
    assert less["exceeds_max_cost"] is True


@pytest.mark.parametrize("count", [1, 2])
def test_an_order_above_its_own_limit_is_refused_and_nothing_is_stored(service, count):
    answer = service.generate(*lots(service, count), max_cost_usd=0.0001)
    assert error(answer) == (400, "cost_limit_exceeded")
    told = answer.json["estimate"]
    assert (told["lots"], told["max_cost_usd"], told["exceeds_max_cost"]) == (count, 0.0001, True)
    assert f"{told['estimated_cost_usd']} US dollars" in answer.json["message"]
    assert {table: service.rows(table) for table in TABLES} == dict.fromkeys(TABLES, 0)
    assert service.outside.hits("/v1/chat/completions") == 0
    assert service.generate(*lots(service, count)).headers["RateLimit-Remaining"] in {"99", "19"}


@pytest.mark.parametrize("count", [1, 2])
def test_the_lower_limit_counts(engine, count):
    with serving(engine, max_job_cost_usd=0.0001) as service:
        assert error(service.generate(*lots(service, count))) == (400, "cost_limit_exceeded")
        answer = service.generate(*lots(service, count), max_cost_usd=1_000_000)
        assert answer.json["estimate"]["max_cost_usd"] == 0.0001
        found = estimated(service, count, max_cost_usd=0.00001)
        assert found["max_cost_usd"] == 0.00001


def test_what_an_answer_lacks_is_asked_for_whatever_the_limit(service):
    """The dear part is paid for: a refusal would lose it."""
    limit = {"languages": ["de"], "max_cost_usd": 0.0001}
    openai_answers(service, "<p>A dent.</p>", None, None, "<p>Eine Delle.</p>")
    service.generate(service.lot(), languages=["de"])
    again = service.generate(service.lot(), **limit)
    assert (again.status_code, failed(again)) == (200, ["de"])
    completed = service.generate(service.lot(), **limit)
    assert described(completed) == {"de": "<p>Eine Delle.</p>"}
    assert service.outside.hits("/v1/chat/completions") == 4
    assert error(service.generate(service.lot(2), **limit)) == (400, "cost_limit_exceeded")


def test_a_repetition_with_another_limit_is_the_same_order(service):
    first = service.generate(*lots(service), max_cost_usd=5)
    again = service.generate(*lots(service), max_cost_usd=0.000001)
    assert (again.status_code, again.json) == (201, first.json)
    assert again.headers["Idempotent-Replayed"] == "true"


def test_without_a_price_there_is_no_cost_and_no_limit_of_the_client(engine):
    with serving(engine, translation_model="own") as service:
        found = estimated(service, languages=["de"])
        assert found["cost_usd"] == {"batch": None, "direct": None}
        assert "own" in found["note"]
        refused = service.generate(*lots(service), languages=["de"], max_cost_usd=5)
        assert error(refused) == (400, "invalid_request")
        assert refused.json["details"][0]["path"] == "max_cost_usd"
        assert "MODEL_PRICES" in refused.json["message"]
        assert service.rows("batch_jobs") == 0


def test_a_model_that_the_order_does_not_need_needs_no_price(engine):
    with serving(engine, translation_model="own") as service:
        assert estimated(service, languages=["en"])["estimated_cost_usd"] > 0
        assert service.generate(*lots(service), languages=["en"], max_cost_usd=5).status_code == 201


def test_a_job_whose_model_has_no_price_shows_no_cost(engine):
    with serving(engine, vision_model="own") as service:
        used = service.ask("/batch-status/{job_id}", service.job()).json["usage"]
        assert (used["cost_usd"], used["estimated_cost_usd"]) == (None, None)
        assert used["prompt_tokens"] == 0


def test_a_job_keeps_its_estimate_beside_what_it_costs(service):
    expected = estimated(service)["estimated_cost_usd"]
    used = service.ask("/batch-status/{job_id}", service.job()).json["usage"]
    assert (used["cost_usd"], used["estimated_cost_usd"]) == (0, expected)


def test_a_limit_of_enqueued_tokens_costs_time_and_makes_openai_batches(engine):
    with serving(engine, max_enqueued_tokens={"gpt-6.1-terra": 10_000}) as service:
        found = estimated(service, 40)
    assert found["openai_batches"] > 10
    assert found["estimated_seconds"] > 10 * 3_600


def learned(engine, *, simulated):
    texts = Account("acme", Kind.VISION, Lane.BATCH, "gpt-6.1-terra", simulated)
    tally = Tally(1_000, 0, Charge(prompt_tokens=1, completion_tokens=5_000_000))
    with engine.begin() as connection:
        charges.add_to_hour(connection, {texts: tally})
        usage = Usage(10_000_000, 5_000_000)
        token_estimates.learn(connection, "gpt-6.1-terra", Kind.VISION, usage, simulated=simulated)


def test_what_was_billed_of_late_says_more_than_any_assumption(service):
    before = estimated(service)["tokens"]["vision"]
    learned(service.engine, simulated=False)
    after = estimated(service)["tokens"]["vision"]
    assert after["completion_tokens"] == 2 * 5_000
    assert after["prompt_tokens"] == pytest.approx(before["prompt_tokens"] / 2, abs=1)


def test_simulated_texts_say_nothing_of_openai(service):
    before = estimated(service)["tokens"]["vision"]
    learned(service.engine, simulated=True)
    assert estimated(service)["tokens"]["vision"] == before


def test_an_estimate_is_never_below_the_bill_and_at_most_so_far_above_it(engine):
    with stages(engine) as world:
        job = world.finish(world.accept(world.lots(3), ["en", "de"]))
    assert job.estimated_cost_nanos
    assert 1 <= job.estimated_cost_nanos / job.charge.cost_nanos <= FACTOR


def test_what_was_learned_brings_the_estimate_near_the_bill(engine):
    with stages(engine) as world:
        world.finish(world.accept(world.lots(100), ["en", "de"]), seconds=60)
        world.execute(
            "UPDATE token_estimates"
            " SET estimated_tokens = 1000 * estimated_tokens, prompt_tokens = 1000 * prompt_tokens"
        )
        job = world.finish(world.accept(world.lots(5), ["en", "de"]))
    assert job.estimated_cost_nanos
    assert job.estimated_cost_nanos / job.charge.cost_nanos == pytest.approx(1, abs=0.1)

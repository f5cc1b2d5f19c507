"""What an order is expected to need: tokens, money, OpenAI batches and time."""

from datetime import timedelta

import pytest

from generation_service.core.batch_rounds import ROUND, Load, direct_duration, duration
from generation_service.core.cost_estimates import (
    ENOUGH_TEXTS,
    Model,
    Share,
    Texts,
    translation,
    vision,
)
from generation_service.core.estimates import expected_duration
from generation_service.core.lots import LotGroup
from generation_service.core.prices import PRICES, cost_nanos
from generation_service.core.prompts import vision_tokens
from generation_service.core.token_estimates import Usage

TERRA = Model(price=PRICES["gpt-6.1-terra"], effort="medium")
LUNA = Model(price=PRICES["gpt-6-luna"], effort="none")
TEXTS = Texts(ENOUGH_TEXTS, 700 * ENOUGH_TEXTS, 300 * ENOUGH_TEXTS)


def groups(*photos):
    found: dict[int, LotGroup] = {}
    for count in photos:
        found.setdefault(count, LotGroup()).lots += 1
    return found


def load(requests=1_000, tokens=0, size=0, limit=None, model="terra"):
    return Load(model=model, requests=requests, tokens=tokens, size=size, token_limit=limit)


def test_every_lot_is_one_request_whose_photos_count():
    share = vision(groups(1, 8, 8), "high", TERRA)
    tokens = vision_tokens(1, None, "high") + 2 * vision_tokens(8, None, "high")
    assert (share.requests, share.prompt_tokens, share.estimated_tokens) == (3, tokens, tokens)


def test_the_seller_s_words_count():
    wordy = {1: LotGroup(lots=2, info_bytes=6_000)}
    more = (
        vision(wordy, "high", TERRA).prompt_tokens
        - vision(groups(1, 1), "high", TERRA).prompt_tokens
    )
    assert more == 2_000


def test_an_order_costs_what_its_requests_do():
    share = vision(groups(8, 8), "high", TERRA)
    each = {"prompt_tokens": share.prompt_tokens // 2, "cached_tokens": 0}
    completion = share.completion_tokens // 2
    assert TERRA.price
    for batch, found in ((True, share.batch_nanos), (False, share.direct_nanos)):
        one = cost_nanos(TERRA.price, **each, completion_tokens=completion, batch=batch)
        assert found == 2 * one
    assert share.direct_nanos == 2 * (share.batch_nanos or 0)


def test_lots_of_many_photos_pay_the_price_of_long_prompts():
    short, long = (vision(groups(photos), "high", TERRA) for photos in (50, 500))
    assert (long.direct_nanos or 0) > 15 * (short.direct_nanos or 0)


def test_what_photos_were_billed_corrects_the_estimate_but_not_what_is_enqueued():
    half = Model(price=TERRA.price, effort="medium", worth=Usage(2_000_000, 1_000_000))
    plain, learned = (vision(groups(4), "high", model) for model in (TERRA, half))
    assert learned.prompt_tokens == plain.prompt_tokens // 2
    assert learned.estimated_tokens == plain.estimated_tokens


@pytest.mark.parametrize("completed", [ENOUGH_TEXTS - 1, ENOUGH_TEXTS])
def test_enough_texts_teach_what_the_next_will_be_billed(completed):
    texts = Texts(completed, 700 * completed, 300 * completed)
    share = translation(10, Model(price=LUNA.price, effort="none", texts=texts))
    learned = (share.prompt_tokens, share.completion_tokens) == (7_000, 3_000)
    assert learned == (completed == ENOUGH_TEXTS)


@pytest.mark.parametrize(("less", "more"), [("none", "low"), ("low", "medium"), ("high", "xhigh")])
def test_more_effort_is_expected_to_cost_more(less, more):
    costs = [
        translation(1, Model(price=LUNA.price, effort=effort)).direct_nanos
        for effort in (less, more)
    ]
    assert (costs[0] or 0) < (costs[1] or 0)


def test_without_a_price_there_is_no_cost_and_no_sum():
    unknown = translation(3, Model(price=None, effort="none"))
    assert (unknown.batch_nanos, unknown.direct_nanos) == (None, None)
    total = vision(groups(1), "high", TERRA) + unknown
    assert (total.requests, total.batch_nanos) == (4, None)


def test_a_model_that_is_not_needed_needs_no_price():
    assert translation(0, Model(price=None, effort="none")) == Share()


@pytest.mark.parametrize(
    ("asked", "batches"),
    [
        (load(requests=0), 0),
        (load(requests=1), 1),
        (load(requests=50_000), 1),
        (load(requests=50_001), 2),
        (load(size=400_000_000), 3),
        (load(tokens=1_000_000, limit=1_000_000), 4),
        (load(requests=2, tokens=1_000_000, limit=1_000), 2),
    ],
)
def test_openai_batches_are_as_many_as_the_limits_make(asked, batches):
    assert asked.openai_batches == batches


@pytest.mark.parametrize(
    ("loads", "rounds"),
    [
        ([load()], 0),
        ([load(), load(model="luna")], 0),
        ([load(), load(requests=0, model="luna")], 0),
        ([load(tokens=900, limit=1_000)], 0),
        ([load(tokens=2_700, limit=1_000)], 2),
        ([load(tokens=2_700, limit=1_000), load(model="luna")], 2),
        ([load(tokens=2_700, limit=1_000), load(tokens=2_700, limit=1_000)], 4),
        ([load(size=40 * 199_229_440)], 2),
    ],
)
def test_limits_that_have_to_come_free_cost_an_hour_each_time(loads, rounds):
    assert duration(10, loads, 20) == expected_duration(10) + rounds * ROUND


@pytest.mark.parametrize(("requests", "seconds"), [(1, 15), (16, 15), (17, 30), (0, 0)])
def test_direct_calls_go_side_by_side(requests, seconds):
    assert direct_duration(requests, 16) == timedelta(seconds=seconds)

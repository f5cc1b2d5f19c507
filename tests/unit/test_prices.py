"""What requests cost, to the billionth of a dollar."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import Config, ConfigError
from generation_service.core.prices import (
    LONG_PROMPT_TOKENS,
    PRICES,
    Price,
    cost_nanos,
    nanos,
    price,
    price_of,
    read_prices,
    usd,
)

TERRA, LUNA = "gpt-6.1-terra", "gpt-6-luna"
ENVIRON = {"SHARED_KEY": "k" * 32, "OPENAI_API_KEY": "sk-test"}
MILLION = 1_000_000


def cost(model, prompt, cached, completion, *, batch=False):
    return cost_nanos(
        PRICES[model],
        prompt_tokens=prompt,
        cached_tokens=cached,
        completion_tokens=completion,
        batch=batch,
    )


@pytest.mark.parametrize(
    ("model", "prompt", "cached", "completion", "direct", "batch"),
    [
        (TERRA, 0, 0, 0, 0, 0),
        (TERRA, 1, 0, 0, 1_000, 500),
        (TERRA, 1, 1, 0, 50, 25),
        (TERRA, 0, 0, 1, 5_000, 2_500),
        (LUNA, 1, 1, 0, 10, 5),
        (LUNA, 1_000, 400, 100, 60_000 + 4_000 + 50_000, 57_000),
        (LUNA, 1, 7, 0, 10, 5),  # no more can be cached than was sent
        (TERRA, 272_000, 0, 1_000, 277_000_000, 138_500_000),
        (TERRA, 272_001, 0, 1_000, 544_002_000 + 7_500_000, 275_751_000),
        (TERRA, 272_001, 272_001, 0, 27_200_100, 13_600_050),
    ],
)
def test_a_request_costs(model, prompt, cached, completion, direct, batch):
    assert cost(model, prompt, cached, completion) == direct
    assert cost(model, prompt, cached, completion, batch=True) == batch


@pytest.mark.parametrize(
    ("tokens", "direct", "batch"), [(1, 1, 0), (2, 1, 1), (3, 2, 1), (1_000, 500, 250)]
)
def test_half_a_nanodollar_is_rounded_up(tokens, direct, batch):
    half = price("0.0005/0/0")
    costs = [
        cost_nanos(half, prompt_tokens=tokens, cached_tokens=0, completion_tokens=0, batch=lane)
        for lane in (False, True)
    ]
    assert costs == [direct, batch]


@given(
    st.builds(Price, **dict.fromkeys(("input", "cached", "output"), st.integers(0, 10**8))),
    st.integers(0, 500_000),
    st.integers(0, 500_000),
    st.integers(0, 100_000),
    st.booleans(),
)
def test_no_cost_is_further_than_half_a_nanodollar_from_the_true_one(
    rates, prompt, cached, completion, batch
):
    long = prompt > LONG_PROMPT_TOKENS
    seen = min(cached, prompt)
    given_, answer = (
        rates.input * (prompt - seen) + rates.cached * seen,
        rates.output * completion,
    )
    true = Fraction(given_ * (2 if long else 1)) + Fraction(answer) * Fraction(3 if long else 2, 2)
    true = true / 1_000 / (2 if batch else 1)
    found = cost_nanos(
        rates,
        prompt_tokens=prompt,
        cached_tokens=cached,
        completion_tokens=completion,
        batch=batch,
    )
    assert -Fraction(1, 2) < found - true <= Fraction(1, 2)


@pytest.mark.parametrize(
    ("model", "found"),
    [
        (TERRA, PRICES[TERRA]),
        ("gpt-6-luna-2026-08-01", PRICES[LUNA]),
        ("gpt-6-luna-mini", None),
        ("gpt-6-luna-2026-8-1", None),
        ("gpt-6", None),
        ("", None),
    ],
)
def test_a_price_is_found_by_name_or_by_the_family_of_a_snapshot(model, found):
    assert price_of(model, {}) == found


def test_settings_go_before_the_table_and_a_snapshot_before_its_family():
    mine, other = price("7/7/7"), price("8/8/8")
    dated = f"{LUNA}-2026-08-01"
    assert price_of(LUNA, {LUNA: mine}) == price_of(dated, {LUNA: mine}) == mine
    assert price_of(dated, {LUNA: mine, dated: other}) == other
    assert price_of("own", {"own": mine}) == mine


def test_a_price_of_nothing_is_a_price():
    assert price_of("own", read_prices("own:0/0/0")) == Price(input=0, cached=0, output=0)


def test_prices_are_read_exactly():
    found = read_prices(" ft:gpt-6:acme::7:1.5/0.000001/10 , org/model:2/2/2,")
    assert found == {
        "ft:gpt-6:acme::7": Price(input=1_500_000, cached=1, output=10 * MILLION),
        "org/model": Price(input=2 * MILLION, cached=2 * MILLION, output=2 * MILLION),
    }


@pytest.mark.parametrize(
    "text",
    [
        *("own", "own:", "own:1", "own:1/2", "own:1/2/3/4", ":1/2/3", "own:1/2/-3", "own:1/2/x"),
        *("own:1/2/3e2", "own:1/2/0.0000001", "own:1/2/٣", "own:1/1/1,own:2/2/2", "own:1/2/NaN"),
        *("own:1/2/100001", "own:1//3", "own: 1/2/3 /"),
    ],
)
def test_what_is_no_price_is_refused(text):
    with pytest.raises(ValueError, match="must be"):
        read_prices(text)


@pytest.mark.parametrize(
    ("dollars", "amount"),
    [(1, 10**9), (0.29, 290_000_000), (Decimal("0.000001"), 1_000), (1e-12, 0), (10**30, 10**39)],
)
def test_dollars_are_nanodollars_to_the_nearest(dollars, amount):
    assert nanos(dollars) == amount


@pytest.mark.parametrize(("amount", "dollars"), [(0, 0.0), (1_234_567_890, 1.234568), (499, 0.0)])
def test_nanodollars_are_shown_to_the_millionth_of_a_dollar(amount, dollars):
    assert usd(amount) == dollars


def test_a_limit_needs_a_price_for_both_models():
    limited = {**ENVIRON, "MAX_JOB_COST_USD": "2.5", "TRANSLATION_MODEL": "own"}
    with pytest.raises(ConfigError, match="MODEL_PRICES=own:in/cached/out"):
        Config.from_env(limited)
    config = Config.from_env({**limited, "MODEL_PRICES": "own:1/1/1"})
    assert config.max_job_cost_usd == Decimal("2.5")


@pytest.mark.parametrize("text", ["0", "-1", "1e3", "nan", "inf", "1,5", "$5", "0.0000001"])
def test_a_limit_is_an_amount_above_nothing(text):
    with pytest.raises(ConfigError, match="MAX_JOB_COST_USD: must be an amount"):
        Config.from_env({**ENVIRON, "MAX_JOB_COST_USD": text})

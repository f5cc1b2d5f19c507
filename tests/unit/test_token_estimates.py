"""What billed tokens teach about estimates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation_service.core.token_estimates import Usage, credible, percent


@pytest.mark.parametrize(
    ("estimated", "prompt", "worth"),
    [
        (0, 0, 100),
        (999_999, 300_000, 100),  # too little to judge by
        (1_000_000, 500_000, 55),  # a tenth above the average
        (1_000_000, 2_000_000, 220),
        (1_000_000, 10, 25),
        (1_000_000, 10**12, 400),
    ],
)
def test_an_estimate_is_worth_what_was_billed_within_bounds(estimated, prompt, worth):
    assert percent(Usage(estimated, prompt)) == worth


@pytest.mark.parametrize("prompt", [0, -5, 1, 10**9])
def test_a_false_usage_teaches_nothing(prompt):
    assert credible(1_000, prompt) == Usage()
    assert credible(0, prompt) == Usage()


@given(st.integers(1, 10**7), st.integers(1, 10**9))
def test_what_is_learned_is_always_within_bounds(estimated, prompt):
    total = sum((credible(estimated, prompt) for _ in range(3)), Usage())
    assert 25 <= percent(total) <= 400

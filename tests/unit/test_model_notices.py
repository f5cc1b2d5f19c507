"""Operators are told of models that are missing or near their end."""

from datetime import date

import pytest

from generation_service.core.model_notices import notices

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("models", "told"),
    [
        ({"m": None}, []),
        ({"m": date(2027, 6, 1)}, []),
        ({"m": date(2027, 1, 14)}, ["m will be shut down on 2027-01-14: choose its successor."]),
        ({"m": date(2026, 10, 23)}, ["m will be shut down on 2026-10-23: choose its successor."]),
        ({"n": None}, ["The server does not offer m: requests for it will fail."]),
    ],
)
def test_a_model_that_is_missing_or_ends_within_60_days_is_named_once(models, told):
    assert notices(models, ["m", "m"], today=TODAY) == told

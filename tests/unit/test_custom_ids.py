"""A request line's `custom_id` names one attempt at one description."""

import pytest

from generation_service.core.requests import custom_id, read_custom_id


def test_it_reads_back():
    assert read_custom_id(custom_id(123, 2)) == (123, 2)


@pytest.mark.parametrize(
    "text", ["", "1", "1-", "-1", "a-1", "1-2-3", "1-2\n", "\u0661-\u0661", "9" * 30 + "-1"]
)
def test_a_stranger_s_id_is_not_ours(text):
    assert read_custom_id(text) is None

"""Text that can be kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation_service.core.text import storable


@pytest.mark.parametrize(
    ("text", "kept"),
    [("Повреждён 🚗", "Повреждён 🚗"), ("a\x00b", "ab"), ("a\ud83d", "a?"), ("", "")],
)
def test_only_what_cannot_be_stored_is_changed(text, kept):
    assert storable(text) == kept


def test_a_limit_counts_characters():
    assert storable("ёёёё", 3) == "ёёё"


@given(st.text(st.characters()), st.integers(0, 20))
def test_every_text_can_be_stored(text, limit):
    kept = storable(text, limit)
    assert kept.encode().decode() == kept
    assert "\x00" not in kept
    assert len(kept) <= limit

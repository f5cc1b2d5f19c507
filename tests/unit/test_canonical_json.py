"""Canonical JSON against a second implementation, written from docs/api.md §2 alone."""

from hypothesis import given
from hypothesis import strategies as st

from generation_service.core.json_text import parse
from generation_service.core.signatures import canonical_json

SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def written(value):
    """The value in canonical form."""
    if isinstance(value, str):
        return f'"{"".join(map(escaped, value))}"'
    if isinstance(value, dict):
        # Code points, not UTF-16 units: U+FFFD stands before an emoji.
        keys = sorted(value, key=lambda key: [ord(character) for character in key])
        return "{" + ",".join(f"{written(key)}:{written(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def escaped(character):
    if character in SHORT:
        return SHORT[character]
    if " " <= character <= "~":
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{int.from_bytes(units[at : at + 2]):04x}" for at in range(0, len(units), 2))


@given(VALUES)
def test_a_second_implementation_writes_the_same_bytes(value):
    assert canonical_json(value) == written(value).encode("ascii")


@given(VALUES)
def test_what_is_written_is_read_back_and_written_the_same(value):
    text = canonical_json(value)
    if b"\\u0000" not in text:  # which requests may not hold
        assert canonical_json(parse(text)) == text

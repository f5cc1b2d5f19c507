"""What counts as JSON."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation_service.core.json_text import InvalidJsonError, TooManyValuesError, parse
from generation_service.core.limits import MAX_JSON_MARKS

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(blacklist_characters="\x00", blacklist_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=20,
)


@given(JSON_VALUES, st.booleans())
def test_it_reads_what_python_writes(value, ascii_only):
    assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary() | st.text('[]{}",:\\u0d8e-.1NaIfnity \n').map(str.encode))
def test_any_bytes_are_read_as_python_reads_them_or_refused(text):
    with suppress(InvalidJsonError):
        assert parse(text) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "Expecting value at line 1, column 1."),
        (b"   ", "Expecting value"),
        (b"{} {}", "Extra data at line 1, column 4."),
        (b'{"a": 1,}', "property name"),
        (b"'single'", "Expecting value"),
        (b'{"a": NaN}', "NaN is not a JSON value."),
        (b"[Infinity]", "Infinity is not"),
        (b"[-Infinity]", "-Infinity is not"),
        (b"[1e999]", "1e999 is too large"),
        (b"[-1e999]", "-1e999 is too large"),
        (b"[" + b"1" * 4301 + b"]", "too many digits"),
        (b'{"a": 1, "b": 2, "a": 3}', "'a' appears twice"),
        (b'[{"x": {"a": 1, "a": 1}}]', "'a' appears twice"),
        (b'{"\\u0061": 1, "a": 1}', "'a' appears twice"),
        (b'["\\u0000"]', "NUL"),
        (b'{"a\\u0000": 1}', "NUL"),
        (b'["a\x00"]', "control character"),
        (b'["\\ud83d"]', "surrogate"),
        (b'["\\uDE00\\uD83D"]', "surrogate"),
        (b'{"x": [{"\\udfff": 1}]}', "surrogate"),
        (b'["\xff"]', "Byte 2 is not valid UTF-8."),
        (b'["\xed\xa0\x80"]', "UTF-8"),
        (b"\xef\xbb\xbf{}", "Expecting value"),
        ('{"a": 1}'.encode("utf-16"), "UTF-8"),
        (b"[" * 33 + b"]" * 33, "nested more than 32"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "nested more than 32"),
        (b"[" * 100_000, "nested more than 32"),
        (b'{"a":' * 100_000, "nested more than 32"),
    ],
)
def test_it_refuses_and_says_why(text, reason):
    with pytest.raises(InvalidJsonError, match=reason):
        parse(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"[" * 32 + b"]" * 32, json.loads("[" * 32 + "]" * 32)),
        (b'["\\ud83d\\ude97"]', ["🚗"]),
        (b'["\\\\ud83d"]', ["\\ud83d"]),
        (b'["\\\\u0000"]', ["\\u0000"]),
        (b" [1e-400, 1E5, -0.0] \r\n", [0.0, 100000.0, -0.0]),
        (b'{"a": {"a": [{"a": 1}, {"a": 1}]}}', {"a": {"a": [{"a": 1}, {"a": 1}]}}),
        (b"null", None),
    ],
)
def test_it_takes_the_unusual_but_sound(text, value):
    assert parse(text) == value


@pytest.mark.parametrize("value", [b"[]", b"{}", b"0", b'{"":0}'])
def test_many_values_are_refused_before_they_are_made(value):
    with pytest.raises(TooManyValuesError, match="send less at once"):
        parse(b"[" + (value + b",") * MAX_JSON_MARKS + b"0]")


def test_a_long_text_of_few_values_is_read():
    text = b"a" * (MAX_JSON_MARKS + 1)
    assert parse(b'["' + text + b'"]') == [text.decode()]

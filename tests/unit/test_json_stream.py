"""An object read as it comes is the object read at once."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from generation_service.core.json_stream import read_object
from generation_service.core.json_text import InvalidJsonError, TooManyValuesError, parse
from generation_service.core.limits import MAX_JSON_CHARS, MAX_JSON_MARKS, MAX_JSON_MEMBERS
from tests.unit.test_json_text import JSON_VALUES

OBJECTS = st.dictionaries(st.sampled_from(["lots", "a", "b", "signature"]), JSON_VALUES)
SOUP = st.text('[]{}",:\\u0d8e-.1NaIfnity \nlots').map(lambda text: ('{"lots":[' + text).encode())


def pieces(text, size):
    return [text[start : start + size] for start in range(0, len(text), size)]


class Everything:
    def __contains__(self, name):
        return True


EVERYTHING = Everything()


def read(text, size, kept=EVERYTHING):
    """The whole object, its list put together again."""
    elements: list[object] = []
    members = read_object(pieces(text, size), kept=kept, streamed="lots", element=elements.append)
    if members.get("lots") == []:
        members["lots"] = elements
    return members


def outcome(reader, *arguments):
    try:
        return reader(*arguments)
    except InvalidJsonError:
        return "refused"


@given(OBJECTS, st.booleans(), st.sampled_from([None, 2]), st.integers(1, 40))
def test_it_reads_what_python_writes(value, ascii_only, indent, size):
    assert read(json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode(), size) == value


@given(SOUP | st.binary(), st.integers(1, 20))
@example(b'{"lots":[1.5,1e5,-0.5E+3]}', 1)
@example(b'{"lots":[1.5,1e5,-0.5E+3]}', 11)
@example(b'{"lots":["\\ud83d\\ude97", "\\ud83d"]}', 14)
@example(b'{"lots":[true, nul]}', 13)
@example(b'{"lots":[-Infinity]}', 12)
@example(b'{"lots":[1,]}', 5)
@example(b'{"lots":[1 2]}', 5)
@example(b'{"lots":[]} x', 5)
@example(b'{"lots":[{"a":1,"a":2}]}', 3)
@example(b'{"lots":[1],"lots":[2]}', 3)
def test_any_bytes_are_read_or_refused_like_a_text_that_is_there_at_once(text, size):
    whole = outcome(parse, text)
    assert outcome(read, text, size) == (whole if isinstance(whole, dict) else "refused")


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "Expecting value at line 1, column 1."),
        (b"[1]", "must be a JSON object"),
        (b"[1", "Expecting ',' delimiter at line 1, column 3."),
        (b'{"lots": [1],\n"x": nope}', "Expecting value at line 2, column 6."),
        (b'{\n\n"lots": [1,\n 2 3]}', "Expecting ',' delimiter at line 4, column 4."),
        (b'{"a": 1 "b": 2}', "Expecting ',' delimiter at line 1, column 9."),
        (b'{"a" 1}', "Expecting ':' delimiter at line 1, column 6."),
        (b'{"a": 1,}', "property name"),
        (b'{"a": 1} {}', "Extra data at line 1, column 10."),
        (b'{"a": "\xd0\xb6", "b": "\xff"}', "Byte 18 is not valid UTF-8."),
        (b'{"a": "\xd0', "Byte 7 is not valid UTF-8."),
        (b'{"a": "x', "Unterminated string"),
        (b'{"lots": [{"a": NaN}]}', "NaN is not a JSON value."),
        (b'{"lots": [1e999]}', "1e999 is too large"),
        (b'{"lots": [' + b"1" * 4301 + b"]}", "too many digits"),
        (b'{"lots": [], "x": 1, "lots": []}', "'lots' appears twice"),
        (b'{"lots": ["\\u0000"]}', "NUL"),
        (b'{"\\ud800": 1}', "surrogate"),
        (b'{"lots": [' + b"[" * 31 + b"]" * 31 + b"]}", "nested more than 32"),
        (b'{"lots": ' + b"[" * 100_000, "nested more than 32"),
    ],
)
def test_it_refuses_and_says_why_and_where(text, reason, size):
    with pytest.raises(InvalidJsonError, match=reason):
        read(text, size)


def test_an_object_may_be_as_deep_as_any_value():
    text = b'{"lots": [' + b"[" * 30 + b"]" * 30 + b"]}"
    assert read(text, 9) == parse(text)


def test_elements_are_handed_over_before_the_text_is_read():
    text = json.dumps({"lots": [{"n": n} for n in range(10_000)]}).encode()
    given_so_far: list[object] = []
    ahead: list[int] = []

    def come():
        for piece in pieces(text, 1_000):
            ahead.append(text.count(b"}", 0, 1_000 * len(ahead)) - len(given_so_far))
            yield piece

    read_object(come(), kept=(), streamed="lots", element=given_so_far.append)
    assert len(given_so_far) == 10_000
    assert max(ahead) < 200


@pytest.mark.parametrize(
    "element",
    [
        b'"' + b"x" * (MAX_JSON_CHARS + 1_000_000) + b'"',
        b"[" + b"[]," * MAX_JSON_MARKS + b"0]",
        b"[" + b"0," * (2 * MAX_JSON_MARKS) + b"0]",
    ],
    ids=["long", "lists", "numbers"],
)
@pytest.mark.parametrize("text", [b'{"lots": [1, %b]}', b'{"a": %b}'])
def test_a_value_that_would_take_too_much_memory_is_refused(text, element):
    whole = text % element
    read_so_far = []

    def come():
        for piece in pieces(whole + b" " * 10_000_000, 100_000):
            read_so_far.append(piece)
            yield piece

    with pytest.raises(TooManyValuesError, match="send less at once"):
        read_object(come(), kept=(), streamed="lots", element=lambda _: None)
    assert sum(map(len, read_so_far)) < len(whole) + 5_000_000


def test_many_values_that_are_small_enough_are_read():
    large = b'"' + b"x" * (MAX_JSON_CHARS - 1_000_000) + b'"'
    assert len(read(b'{"lots": [%b, %b, 1]}' % (large, large), 100_000)["lots"]) == 3


def test_members_that_nobody_asked_for_are_read_and_forgotten():
    text = b'{"a": 1, "b": {"c": 2}, "lots": 3}'
    assert read(text, 9, kept={"a", "lots"}) == {"a": 1, "lots": 3}
    with pytest.raises(InvalidJsonError, match="appears twice"):
        read(b'{"b": 1, "b": 1}', 9, kept=())


def test_an_object_of_too_many_members_is_refused():
    members = ", ".join(f'"{n}": 0' for n in range(MAX_JSON_MEMBERS + 1))
    with pytest.raises(TooManyValuesError, match="members"):
        read(f"{{{members}}}".encode(), 100)

"""Lines out of chunks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation_service.core.jsonl import lines


@pytest.mark.parametrize(
    ("chunks", "found"),
    [
        ([], []),
        ([b"a\nb\n"], [b"a", b"b"]),
        ([b"a\nb"], [b"a", b"b"]),
        ([b"a", b"b\nc", b"", b"d\n", b"e"], [b"ab", b"cd", b"e"]),
        ([b"a\r\n\r\n", b" \n\nb\r\n"], [b"a", b"b"]),
        (["a\u2028b\x85\n".encode()], ["a\u2028b\x85".encode()]),
    ],
)
def test_only_line_feeds_end_lines_and_blank_ones_are_left_out(chunks, found):
    assert list(lines(chunks, max_bytes=100)) == found


def test_of_a_line_that_is_too_long_the_beginning_is_given():
    assert list(lines([b"abc", b"def\ng", b"h\n"], max_bytes=4)) == [b"abcd", b"gh"]


@given(st.lists(st.text("ab\n").map(str.encode)))
def test_where_chunks_end_makes_no_difference(chunks):
    assert list(lines(chunks, max_bytes=50)) == list(lines([b"".join(chunks)], max_bytes=50))

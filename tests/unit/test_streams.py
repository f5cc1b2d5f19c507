"""Long answers are cut into pieces without losing a byte."""

from hypothesis import given
from hypothesis import strategies as st

from generation_service.api.slow_peers import PIECE_BYTES
from generation_service.api.streams import pieces

chunks = st.lists(st.integers(0, 3 * PIECE_BYTES).map(lambda size: b"x" * size), max_size=4)


@given(chunks)
def test_pieces_are_the_same_bytes_in_even_sizes(chunks):
    cut = list(pieces(chunks))
    assert b"".join(cut) == b"".join(chunks)
    assert all(len(piece) == PIECE_BYTES for piece in cut[:-1])
    assert all(0 < len(piece) <= PIECE_BYTES for piece in cut)

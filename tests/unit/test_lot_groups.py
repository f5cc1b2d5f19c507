"""What an order amounts to is counted as its lots are read, in memory that doesn't grow with it."""

import json
import tracemalloc
from collections import Counter
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from generation_service.api.intake import receive
from generation_service.api.lot_spool import LotSpool
from generation_service.core.limits import MIB
from generation_service.core.lots import Lot
from tests.lots import spooled

LOTS = st.lists(
    st.builds(
        Lot,
        lot_id=st.just("lot"),
        image_urls=st.lists(
            st.sampled_from(["https://a.example/1", "https://b.example"]), min_size=1
        ).map(tuple),
        additional_info=st.none() | st.text(max_size=20),
    ),
    min_size=1,
)


@given(LOTS)
def test_lots_are_grouped_by_their_number_of_photos(lots):
    with spooled(lots) as spool:
        groups = spool.groups
    assert {photos: group.lots for photos, group in groups.items()} == Counter(
        len(lot.image_urls) for lot in lots
    )
    words = sum(len((lot.additional_info or "").encode()) for lot in lots)
    assert sum(group.info_bytes for group in groups.values()) == words
    urls = sum(len(url) for lot in lots for url in lot.image_urls)
    assert sum(group.url_chars for group in groups.values()) == urls


def body(lots: int) -> Iterator[bytes]:
    yield b'{"version": "1.0.0", "languages": ["en"], "lots": ['
    for number in range(lots):
        images = [{"url": f"https://example.com/{number}/{photo}" + 60 * "x"} for photo in range(8)]
        yield b"," * bool(number) + json.dumps({"lot_id": str(number), "images": images}).encode()
    yield b"]}"


def peak(lots: int) -> int:
    tracemalloc.start()
    try:
        with LotSpool() as spool:
            receive(body(lots), spool, lambda _signed: None)
            assert spool.groups[8].lots == lots
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_ten_times_as_many_lots_take_little_more_memory():
    few = peak(1_000)
    assert peak(10_000) - few < 2 * MIB  # of which their ids, looked at for repetitions, are half

"""The quick look at a lot and the schema agree on every lot."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from marshmallow import ValidationError

from generation_service.api.lot_rules import is_lot_id, is_url, plain_lot
from generation_service.api.schemas import LotSchema
from generation_service.core.lots import Lot

URL = "https://example.com/car1.jpg"
LOT = {"lot_id": "11-12345", "additional_info": "front", "images": [{"url": URL}]}

odd_values: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.lists(st.none(), max_size=2)
)
urls = st.one_of(
    st.just(URL), st.just("HTTP://пример.рф/фото 1.jpg"), st.just("https:///x"), odd_values
)
images = st.one_of(
    st.lists(st.fixed_dictionaries({"url": urls}, optional={"alt": odd_values}), max_size=3),
    st.lists(odd_values, max_size=2),
    odd_values,
)
lots = st.fixed_dictionaries(
    {},
    optional={
        "lot_id": st.one_of(st.text(max_size=130), odd_values),
        "additional_info": odd_values,
        "images": images,
        "webhook": urls,
        "mileage": odd_values,
    },
)


@given(raw=st.one_of(lots, odd_values))
@example(raw=LOT)
@example(raw=LOT | {"webhook": None, "additional_info": None})
@example(raw=LOT | {"images": {"url": URL}})
@example(raw=LOT | {"images": [{"url": URL}] * 501})
@example(raw=LOT | {"additional_info": "x" * 10_001})
def test_what_is_plainly_a_lot_is_the_same_lot_to_the_schema(raw):
    quick = plain_lot(raw)
    try:
        thorough = LotSchema().load(raw)
    except ValidationError:
        assert quick is None
    else:
        assert quick == thorough


def test_a_lot_keeps_what_the_pipeline_needs():
    assert plain_lot(LOT | {"webhook": URL}) == Lot(
        lot_id="11-12345", image_urls=(URL,), additional_info="front", webhook_url=URL
    )


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "http://1.2.3.4:8080/a?b=c#d",
        "HTTPS://EXAMPLE.COM",
        "https://example.com/фото 1.jpg",
        "https://example.com/" + "a" * 2_028,
        "http://127.0.0.1/private.jpg",
    ],
)
def test_urls_that_a_lot_may_name(url):
    assert is_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://example.com/a.jpg",
        "//example.com/a.jpg",
        "https://",
        "https:///a.jpg",
        "https:// example.com/a.jpg",
        " https://example.com/a.jpg",
        "https://example.com/a\n.jpg",
        "https://example.com/" + "a" * 2_029,
    ],
)
def test_urls_that_a_lot_may_not_name(url):
    assert not is_url(url)


@pytest.mark.parametrize("lot_id", ["1", "11-12345", "lot 7", "лот/7", "x" * 128])
def test_lot_ids(lot_id):
    assert is_lot_id(lot_id)


@pytest.mark.parametrize("lot_id", ["", " 7", "7 ", "7\n8", "7\x008", "7\u200b8", "x" * 129])
def test_no_lot_ids(lot_id):
    assert not is_lot_id(lot_id)

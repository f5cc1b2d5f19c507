"""What is computed of an order while it is read."""

import json
from hashlib import sha256

import pytest

from generation_service.api.intake import receive
from generation_service.api.lot_spool import LotSpool
from generation_service.core.lots import Lot
from generation_service.core.signatures import canonical_json
from tests.lots import spooled

LOT = {"lot_id": "лот", "images": [{"url": "https://example.com/a.jpg", "z": 1, "a": 1.5}]}


def received(value):
    signed: list[bytes] = []
    with LotSpool() as spool:
        order = receive([json.dumps(value).encode()], spool, signed.append)
    return order, b"".join(signed)


@pytest.mark.parametrize(
    "lots",
    [
        [],
        [LOT],
        [LOT, {"b": 1, "a": [None, True]}, 7, []],
        [LOT | {"lot_id": str(n)} for n in range(5_000)],
        None,
        "lots",
        {"b": 1, "a": 2},
    ],
    ids=range(7),
)
def test_what_is_signed_and_hashed_is_the_canonical_form_of_whatever_was_sent(lots):
    order, signed = received({"lots": lots})
    assert signed == canonical_json(lots)
    assert order.lots_hash == sha256(signed).digest()


def test_without_lots_null_is_signed():
    assert received({"version": "1.0.0"})[1] == b"null"


def test_the_other_members_are_kept():
    order, _ = received({"version": 7, "lots": [LOT], "metadata": {"a": "b"}, "colour": "red"})
    assert order.members == {"version": 7, "lots": [], "metadata": {"a": "b"}}
    assert order.lots.count == 1


def test_lots_can_be_read_again_and_again():
    lots = [
        Lot(lot_id=str(n), image_urls=("https://example.com/" + "x" * 500,), additional_info="ж")
        for n in range(2_000)
    ]
    with spooled(lots) as spool:
        assert list(spool) == list(spool) == lots
        assert (len(spool), spool.images, spool.first) == (2_000, 2_000, lots[0])

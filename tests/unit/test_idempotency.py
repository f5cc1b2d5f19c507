"""Which requests are one and the same."""

from hashlib import sha256
from typing import Any

import pytest

from generation_service.core.idempotency import InvalidKeyError, identity
from generation_service.core.signatures import canonical_json

LOTS: list[dict[str, Any]] = [
    {"lot_id": "a", "images": [{"url": "http://x/1"}]},
    {"lot_id": "ж", "images": []},
]
BODY = {"version": "1.0.0", "languages": ["en", "de"], "lots": LOTS, "signature": "s"}


def ask(header=None, **changes):
    members = BODY | changes
    return identity(members, hashed(members["lots"]), client="acme", header=header, signature=None)


def hashed(lots):
    return sha256(canonical_json(lots)).digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": "another"},
        {"metadata": None},
        {"sent_at": "2025-08-05"},
        {"lots": [dict(reversed(lot.items())) for lot in LOTS]},
    ],
)
def test_what_does_not_change_the_answer_makes_no_other_request(changes):
    assert ask(**changes) == ask()


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "1.0.1"},
        {"languages": ["de", "en"]},
        {"languages": ["EN", "de"]},
        {"languages": "en"},
        {"metadata": {"order": "7"}},
        {"lots": LOTS[::-1]},
        {"lots": LOTS[:1]},
        {"lots": [LOTS[0], LOTS[1] | {"vin": "x"}]},
        {"lots": None},
        {"lots": {"0": LOTS[0]}},
    ],
)
def test_whatever_else_differs_makes_another_request(changes):
    assert ask(**changes).key != ask().key


def test_the_header_is_the_key_whatever_the_body():
    first, other = ask("order 7"), ask("order 7", version="1.0.1")
    assert first.key == other.key
    assert first.body_hash != other.body_hash
    assert ask("order 8").key != first.key


def test_a_header_never_meets_the_key_of_a_content():
    assert ask(ask().key).key != ask().key
    assert ask(ask().body_hash).key != ask().key


@pytest.mark.parametrize("header", ["x", "x" * 255, "a b", '"8e03978e-40d5"', "~!:"])
def test_a_key_is_printable_ascii(header):
    assert ask(header).key.endswith(header)


@pytest.mark.parametrize("header", ["", "x" * 256, "ключ", "a\tb", "a\n", "\x7f"])
def test_any_other_header_is_refused(header):
    with pytest.raises(InvalidKeyError, match="255"):
        ask(header)

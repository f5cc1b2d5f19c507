"""Every published test vector, and what is not a signature."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation_service.core.signatures import canonical_json, client_of, sign

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs" / "signature-vectors.json").read_bytes()
)
KEY = "0123456789abcdef0123456789abcdef"
KEYS = {"default": (KEY,), "acme": ("a" * 32, "b" * 32)}


def named(vectors: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(vector, id=vector.get("name")) for vector in vectors]


def test_there_are_enough_vectors():
    assert len(VECTORS["lots"]) >= 12


@pytest.mark.parametrize("vector", named(VECTORS["lots"]))
def test_lots_are_canonical_and_signed_as_published(vector):
    assert canonical_json(vector["lots"]) == vector["canonical"].encode()
    assert sign(vector["key"], vector["canonical"].encode()) == vector["signature"]


@pytest.mark.parametrize("vector", named(VECTORS["urls"]))
def test_urls_are_canonical_and_signed_as_published(vector):
    assert canonical_json(vector["urls"]) == vector["canonical"].encode()
    assert sign(vector["key"], vector["canonical"].encode()) == vector["signature"]


@pytest.mark.parametrize("vector", VECTORS["jobs"])
def test_a_job_id_is_signed_as_published(vector):
    keys = {"default": (vector["key"],)}
    assert client_of(keys, vector["job_id"].encode(), vector["X-Signature"]) == "default"


@pytest.mark.parametrize("vector", VECTORS["paths"])
def test_a_path_is_signed_as_published(vector):
    keys = {"default": (vector["key"],)}
    assert client_of(keys, vector["path"].encode(), vector["X-Signature"]) == "default"


def test_canonical_json_is_a_fixed_point():
    for vector in VECTORS["lots"]:
        assert canonical_json(json.loads(vector["canonical"])) == vector["canonical"].encode()


@pytest.mark.parametrize("form", ["{}", "sha256={}"])
def test_bare_and_prefixed_hex_are_taken(form):
    assert client_of(KEYS, b"lots", form.format(sign(KEY, b"lots"))) == "default"


def test_upper_case_hex_is_taken():
    assert client_of(KEYS, b"lots", sign(KEY, b"lots").upper()) == "default"


@pytest.mark.parametrize("key", KEYS["acme"])
def test_each_key_of_a_client_is_accepted(key):
    assert client_of(KEYS, b"lots", sign(key, b"lots")) == "acme"


@pytest.mark.parametrize(
    "presented",
    [
        None,
        17,
        True,
        b"bytes",
        ["list"],
        "",
        "sha256=",
        "подпись",
        "\ud800",
        sign(KEY, b"other"),
        sign(KEY, b"lots")[:-1],
        "sha256=sha256=" + sign(KEY, b"lots"),
        "sha512=" + sign(KEY, b"lots"),
        " " + sign(KEY, b"lots"),
    ],
)
def test_anything_else_is_nobodys_signature(presented):
    assert client_of(KEYS, b"lots", presented) is None


def test_without_keys_nobody_is_known():
    assert client_of({}, b"lots", sign(KEY, b"lots")) is None


@given(st.text())
def test_no_text_is_an_error(presented):
    assert client_of(KEYS, b"lots", presented) is None

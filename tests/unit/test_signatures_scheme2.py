"""What scheme 2 signs, and what is a header of it."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation_service.core.signatures import (
    Stamped,
    client_of,
    is_stamped,
    read_stamped,
    request_message,
)

DOCS = Path(__file__).parents[2] / "docs"
VECTORS = json.loads((DOCS / "signature-vectors.json").read_bytes())["requests"]
KEY = "0123456789abcdef0123456789abcdef"
HEX = "0123456789abcdef" * 4


def message_of(vector):
    body = vector.get("body", "").encode() or base64.b64decode(vector.get("body_base64", ""))
    return request_message(vector["time"], vector["method"], vector["target"].encode(), body)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_requests_are_signed_as_published(vector):
    stamped = read_stamped(vector["X-Signature"])
    assert stamped is not None
    assert stamped.time == vector["time"]
    keys = {"default": (vector["key"],)}
    assert client_of(keys, message_of(vector), stamped.digest) == "default"


def test_the_example_in_the_document_signs_so():
    [example] = re.findall(
        r"```python\n([^`]*def headers[^`]*)```", (DOCS / "api.md").read_text(encoding="utf-8")
    )
    names: dict[str, Any] = {}
    exec(example, names)  # noqa: S102 - our own
    stamped = read_stamped(names["headers"](KEY, "POST", "/a?b", b"{}")["X-Signature"])
    assert stamped is not None
    message = request_message(stamped.time, "POST", b"/a?b", b"{}")
    assert client_of({"default": (KEY,)}, message, stamped.digest) == "default"


def test_the_parts_are_joined_by_dots():
    assert request_message(7, "POST", b"/a?b=%D0", b"\x00{}") == b"7.POST./a?b=%D0.\x00{}"


def test_a_header_of_scheme_2_is_read():
    assert read_stamped(f"t=1754381700,v2={HEX}") == Stamped(1754381700, HEX)


def test_a_signature_has_one_spelling():
    assert read_stamped(f"t=7,v2={HEX.upper()}") == Stamped(7, HEX)


@pytest.mark.parametrize(
    "header",
    [
        "t=",
        "t=7",
        "t=7,v2=",
        f"t=7,v2={HEX[1:]}",
        f"t=7,v2={HEX}0",
        f"t=7,v2={HEX[1:]}g",
        f"t=7,v1={HEX}",
        f"t=7,v2=sha256={HEX}",
        f"t=7, v2={HEX}",
        f"t=7,v2={HEX} ",
        f"t=7,v2={HEX}\n",
        f"t=7,v2={HEX},v2={HEX}",
        f"v2={HEX},t=7",
        f"t=,v2={HEX}",
        f"t=0,v2={HEX}",
        f"t=07,v2={HEX}",
        f"t=-7,v2={HEX}",
        f"t=+7,v2={HEX}",
        f"t=7.0,v2={HEX}",
        f"t=7e9,v2={HEX}",
        f"t=1_0,v2={HEX}",
        f"t=\u0667,v2={HEX}",
        f"t=7,v2={'é' * 64}",
        f"t={'9' * 13},v2={HEX}",
        f"t={'9' * 10_000},v2={HEX}",
    ],
)
def test_nothing_else_is_read_but_all_of_it_means_scheme_2(header):
    assert read_stamped(header) is None
    assert is_stamped(header) == header.startswith("t=")


@pytest.mark.parametrize("header", [None, "", HEX, "sha256=" + HEX, "T=7", " t=7"])
def test_other_headers_are_not_of_scheme_2(header):
    assert not is_stamped(header)


@given(st.text())
def test_no_text_is_an_error(header):
    assert read_stamped("t=" + header) is None


@given(time=st.integers(1, 10**12 - 1), target=st.binary(max_size=20), body=st.binary())
def test_a_message_of_scheme_2_has_no_form_of_scheme_1(time, target, body):
    message = request_message(time, "POST", b"/" + target, body)
    assert message[:1].isdigit()  # a path begins with a slash
    assert b"/" in message  # and a job id, which is one segment of a path, has none
    with pytest.raises(ValueError, match=r"Extra data|codec"):  # json's and UTF-8's complaints
        json.loads(message)

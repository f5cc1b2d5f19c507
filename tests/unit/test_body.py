"""Bodies: their size, their packing, their JSON, in this order."""

import gzip
import zlib
from io import BytesIO

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from generation_service.api.body import LARGE_BYTES, BodyReader
from generation_service.core.errors import ServiceError
from generation_service.core.limits import MAX_JSON_MARKS


def request(data, encoding=None):
    headers = [("Content-Encoding", encoding)] if encoding else []
    return Request(EnvironBuilder(method="POST", data=data, headers=headers).get_environ())


def chunked(data):
    """A body of undeclared length, as servers hand it over."""
    environ = EnvironBuilder(method="POST").get_environ()
    environ |= {"wsgi.input": BytesIO(data), "wsgi.input_terminated": True}
    return Request(environ)


PACKED = {"HTTP_CONTENT_ENCODING": "gzip"}


def refusal(sent, *, max_bytes=1000, readers=1):
    reader = BodyReader(max_bytes, readers=readers)
    with pytest.raises(ServiceError) as caught:
        reader.json_object(sent)
    return caught.value.http_status, caught.value.code


def test_a_json_object_is_read():
    for sent in (request, chunked):
        assert BodyReader(1000).json_object(sent(b'{"a": [1, "\xd0\xb6"]}')) == {"a": [1, "ж"]}


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_a_packed_body_is_read(encoding):
    packed = gzip.compress(b'{"a": 1}')
    told: list[bytes] = []
    assert BodyReader(1000).json_object(request(packed, encoding), told.append) == {"a": 1}
    assert b"".join(told) == packed


def test_a_gzip_body_may_have_several_members():
    sent = request(gzip.compress(b'{"a": ') + gzip.compress(b"1}"), "gzip")
    assert BodyReader(1000).json_object(sent) == {"a": 1}


@pytest.mark.parametrize("size", [2**20 - 1, 2**20, 2**20 + 1, 5 * 2**20])
def test_a_body_that_unfolds_a_thousandfold_is_read_to_its_end(size):
    sent = request(gzip.compress(b" " * size + b"{}"), "gzip")
    assert BodyReader(size + 2).json_object(sent) == {}


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b'"x"', b"{", b"\xff", b'{"a":1,"a":1}'])
def test_what_is_no_json_object_is_a_400(text):
    assert refusal(request(text)) == (400, "invalid_json")


def test_too_large_a_body_is_refused_by_its_declared_length_before_it_is_read():
    sent = request(b"{}")
    sent.environ["CONTENT_LENGTH"] = "1001"
    assert refusal(Request(sent.environ)) == (413, "request_too_large")
    assert sent.environ["wsgi.input"].tell() == 0


def test_too_large_a_body_of_undeclared_length_is_refused_on_the_way():
    sent = chunked(b" " * 1_000_000)
    assert refusal(sent) == (413, "request_too_large")
    assert sent.environ["wsgi.input"].tell() < 10_000


def test_the_size_counts_unpacked():
    sent = request(gzip.compress(b" " * 1001), "gzip")
    assert refusal(sent) == (413, "request_too_large")


@pytest.mark.parametrize(
    "packed",
    [b"", b"{}", zlib.compress(b"{}"), gzip.compress(b"{}")[:-1], gzip.compress(b"{}") + b"x"],
    ids=["nothing", "not packed", "zlib", "cut short", "and more"],
)
def test_what_is_no_gzip_is_a_400(packed):
    assert refusal(request(packed, "gzip")) == (400, "invalid_json")


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip"])
def test_another_encoding_is_a_415(encoding):
    sent = request(b"{}", encoding)
    assert refusal(sent) == (415, "unsupported_media_type")


def test_the_size_counts_packed_too():
    endless = gzip.compress(b"") * 60
    assert refusal(request(endless, "gzip")) == (413, "request_too_large")
    assert refusal(Request(chunked(endless).environ | PACKED)) == (413, "request_too_large")


def test_a_body_is_read_whatever_it_holds():
    sent = request(gzip.compress(b"\xff"), "br")
    assert BodyReader(1000).as_sent(sent) == gzip.compress(b"\xff")
    with pytest.raises(ServiceError, match="1,000 bytes"):
        BodyReader(1000).as_sent(chunked(b" " * 1001))


def test_a_body_that_ends_early_is_a_400():
    environ = request(b'{"a": 1}').environ | {"CONTENT_LENGTH": "9"}
    assert refusal(Request(environ)) == (400, "invalid_json")
    assert refusal(Request(environ | {"wsgi.input_terminated": True})) == (400, "invalid_json")


def test_a_refused_body_gives_its_reader_back():
    reader = BodyReader(10, readers=1)
    for _ in range(2):
        with pytest.raises(ServiceError, match="10 bytes"):
            reader.json_object(request(b" " * 11))
    assert reader.json_object(request(b"{}")) == {}


def test_a_reader_of_smaller_bodies_has_its_own_limit_and_no_turns_of_its_own():
    reader = BodyReader(10, readers=0, waiting=0)
    smaller = reader.limited_to(5)
    for each, size in ((reader, 10), (smaller, 5)):
        with pytest.raises(ServiceError, match=f"{size} bytes"):
            each.as_sent(request(b" " * 11))
    with pytest.raises(ServiceError, match="Too many bodies"):
        smaller.as_sent(request(b"{}"))


def test_when_all_readers_are_taken_the_next_body_is_a_503():
    assert refusal(request(b"{}"), readers=0) == (503, "busy")


def large(encoding=None):
    body = b"{}" + b" " * LARGE_BYTES
    return request(gzip.compress(body) if encoding else body, encoding)


@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_a_large_body_waits_for_another_one_and_not_for_long(encoding):
    reader = BodyReader(2 * LARGE_BYTES, large_ones=0, large_wait=0.01)
    with pytest.raises(ServiceError, match="Several large bodies") as caught:
        reader.json_object(large(encoding))
    assert (caught.value.code, caught.value.retry_after) == ("busy", 2)
    assert reader.json_object(request(gzip.compress(b"{}"), "gzip")) == {}


def test_a_large_body_lets_the_next_one_in():
    reader = BodyReader(2 * LARGE_BYTES, large_ones=1, large_wait=0.01)
    for encoding in (None, "gzip"):
        assert reader.json_object(large(encoding)) == {}


def test_a_small_body_that_unfolds_into_millions_of_values_is_a_413():
    bomb = gzip.compress(b'{"lots": [' + b"[]," * (MAX_JSON_MARKS // 2) + b"0]}")
    assert len(bomb) < LARGE_BYTES
    assert refusal(request(bomb, "gzip"), max_bytes=10 * MAX_JSON_MARKS) == (
        413,
        "request_too_large",
    )


def test_a_large_body_is_given_piece_by_piece():
    sent = request(b"x" * 3_000_000)
    with BodyReader(3_000_000).text(sent) as pieces:
        sizes = [len(piece) for piece in pieces]
    assert sum(sizes) == 3_000_000
    assert max(sizes) < 100_000

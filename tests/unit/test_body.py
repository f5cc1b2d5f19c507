"""Bodies: their size, their packing, their JSON, in this order."""

import gzip
import zlib
from io import BytesIO

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from generation_service.api.body import Body, BodyReader
from generation_service.core.errors import ServiceError


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
        body = BodyReader(1000).json_object(sent(b'{"a": [1, "\xd0\xb6"]}'))
        assert body == Body(b'{"a": [1, "\xd0\xb6"]}', {"a": [1, "ж"]})


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_a_packed_body_is_read(encoding):
    packed = gzip.compress(b'{"a": 1}')
    body = BodyReader(1000).json_object(request(packed, encoding))
    assert body == Body(packed, {"a": 1})


def test_a_gzip_body_may_have_several_members():
    sent = request(gzip.compress(b'{"a": ') + gzip.compress(b"1}"), "gzip")
    assert BodyReader(1000).json_object(sent).fields == {"a": 1}


@pytest.mark.parametrize("size", [2**20 - 1, 2**20, 2**20 + 1, 5 * 2**20])
def test_a_body_that_unfolds_a_thousandfold_is_read_to_its_end(size):
    sent = request(gzip.compress(b" " * size + b"{}"), "gzip")
    assert BodyReader(size + 2).json_object(sent).fields == {}


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
    assert reader.json_object(request(b"{}")).fields == {}


def test_when_all_readers_are_taken_the_next_body_is_a_503():
    assert refusal(request(b"{}"), readers=0) == (503, "busy")

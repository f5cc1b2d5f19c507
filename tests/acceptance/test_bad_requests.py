"""Whatever is wrong with a request: a 4xx that says so, and nothing is stored."""

import gzip
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.acceptance.client import canonical, lot, sign
from tests.acceptance.lonely_service import (
    GENERATE,
    MAX_BYTES,
    PHOTO,
    VALIDATE,
    assert_refused,
    lonely_service,
    lots,
    signed,
)
from tests.running import SHARED_KEY

JOB = "550e8400-e29b-41d4-a716-446655440000"


@pytest.fixture(scope="module")
def service(folder, database_url):
    with lonely_service(folder, database_url) as service:
        yield service


@pytest.fixture(autouse=True)
def _unharmed(service):
    yield
    service.assert_unharmed()


BAD_JSON = {
    "nothing": b"",
    "blank": b" \n",
    "a list": b"[]",
    "a word": b'"x"',
    "a number": b"1",
    "null": b"null",
    "cut off": b'{"lots": [',
    "more than one": b"{} {}",
    "single quotes": b"{'a': 1}",
    "a comment": b"{} // x",
    "a trailing comma": b'{"a": 1,}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": [-Infinity]}',
    "overflow": b'{"a": 1e999}',
    "endless digits": b'{"a": ' + b"9" * 5000 + b"}",
    "a key twice": b'{"a": 1, "a": 1}',
    "a key twice, deep": b'{"a": [{"b": 1, "\\u0062": 2}]}',
    "NUL": b'{"a": "\\u0000"}',
    "NUL in a key": b'{"\\u0000": 1}',
    "half a pair": b'{"a": "\\ud83d"}',
    "the other half": b'{"a": ["\\ude00x"]}',
    "a tab": b'{"a": "\t"}',
    "too deep": b'{"a": ' + b"[" * 32 + b"]" * 32 + b"}",
    "far too deep": b'{"a": ' * 100_000,
    "Latin-1": '{"a": "é"}'.encode("latin-1"),
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "an overlong slash": b'{"a": "\xc0\xaf"}',
}


@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON)
def test_bad_json_is_a_400(service, body):
    for path in (GENERATE, VALIDATE):
        assert_refused(service.post(body, path), 400, "invalid_json")
    packed = service.post(gzip.compress(body), **{"Content-Encoding": "gzip"})
    assert_refused(packed, 400, "invalid_json")


def test_a_body_that_is_not_the_gzip_it_says_is_a_400(service):
    for body in (b"{}", gzip.compress(b"{}")[:-4], b"\x1f\x8b" + bytes(40)):
        answer = service.post(body, **{"Content-Encoding": "gzip"})
        assert_refused(answer, 400, "invalid_json")


def test_an_encoding_that_is_not_taken_is_a_415(service):
    answer = service.post(b"{}", **{"Content-Encoding": "br"})
    assert_refused(answer, 415, "unsupported_media_type")


def test_a_body_that_is_too_large_once_unpacked_is_a_413(service):
    bomb = gzip.compress(b" " * (MAX_BYTES + 1))
    answer = service.post(bomb, **{"Content-Encoding": "gzip"})
    assert_refused(answer, 413, "request_too_large")


SIGNATURES: list[object] = [None, "", 1, True, [], {}, "0" * 64, "sha256=", "ü" * 64, "x" * 100_000]


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda signature: repr(signature)[:12])
def test_a_wrong_signature_in_the_body_is_a_403(service, signature):
    body = {**signed(), "signature": signature}
    assert_refused(service.post(body), 403, "invalid_body_signature")
    assert_refused(service.post({**body, "urls": []}, VALIDATE), 403, "invalid_body_signature")


def test_a_missing_signature_is_a_403_before_anything_else_is_looked_at(service):
    for body in ({}, {"lots": 7}, {"version": [], "languages": "en"}):
        assert_refused(service.post(body), 403, "invalid_body_signature")


SIGNED_GETS = [
    f"/api/v1/batch-status/{JOB}",
    f"/api/v1/batch-results/{JOB}",
    f"/api/v1/batch-results/{JOB}/download",
    f"/api/v1/batch-jobs/{JOB}/deliveries",
    "/api/v1/batch-jobs",
    "/api/v1/batch-status/no-uuid",
]


@pytest.mark.parametrize("path", SIGNED_GETS)
def test_a_wrong_signature_in_the_header_is_a_401_whether_the_job_exists_or_not(service, path):
    for signature in ("", "sha256=", "0" * 64, "sha256=" + "0" * 64, "\xfc", "x" * 4_000):
        assert_refused(service.get(path, signature), 401, "invalid_signature")
    assert_refused(service.get(path), 401, "invalid_signature")


@pytest.mark.parametrize("job", [JOB, "no-uuid", JOB.replace("-", ""), "%00", "1%27--", "%FF"])
def test_a_job_that_does_not_exist_is_a_404(service, job):
    signature = sign(SHARED_KEY, unquote(job).encode())
    assert_refused(service.get(f"/api/v1/batch-status/{job}", signature), 404, "not_found")


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "offset=-1", "status=done"])
def test_a_query_out_of_range_is_a_400(service, query):
    path = f"/api/v1/batch-jobs?{query}"
    signature = sign(SHARED_KEY, path.encode())
    assert_refused(service.get(path, signature), 400, "invalid_request")


def images(count):
    return [{"url": f"{PHOTO}?{n}"} for n in range(count)]


LIMITS = {
    "50,001 lots": {
        "lots": [{"lot_id": str(n), "images": [{"url": "http://a"}]} for n in range(50_001)]
    },
    "no lots": {"lots": []},
    "a lot twice": {"lots": [*lots(), *lots()]},
    "201 languages": {"languages": ["en"] * 201},
    "no languages": {"languages": []},
    "501 images": {"lots": lots(images=images(501))},
    "no images": {"lots": lots(images=[])},
    "21 images for one lot": {"lots": lots(1, images=images(21))},
    "3 translations of one lot": {"lots": lots(1), "languages": ["de", "fr", "it"]},
    "too many descriptions": {"lots": lots(76), "languages": ["en", "de"]},
    "101 webhooks": {"lots": [lot(str(n), PHOTO, webhook=f"http://a/{n}") for n in range(101)]},
    "a webhook at home": {"lots": lots(webhook="http://127.0.0.1/hook")},
    "a webhook without http": {"lots": lots(webhook="ftp://example.com/hook")},
    "a long URL": {"lots": lots(images=[{"url": "http://a/" + "x" * 2_040}])},
    "a long lot_id": {"lots": [lot("x" * 129, PHOTO), *lots()]},
    "a long story": {"lots": lots(additional_info="x" * 10_001)},
    "17 pairs": {"metadata": {str(n): "x" for n in range(17)}},
    "a long key": {"metadata": {"x" * 65: "x"}},
    "a long value": {"metadata": {"x": "x" * 513}},
    "a later version": {"version": "2.0.0"},
}


@pytest.mark.parametrize("fields", LIMITS.values(), ids=LIMITS)
def test_what_is_over_a_limit_is_a_400(service, fields):
    document = assert_refused(service.post(signed(**fields)), 400, "invalid_request")
    assert document["details"]


def test_at_most_20_faults_are_told_and_how_many_more_there_are(service):
    document = assert_refused(service.post(signed(lots=[{}] * 30)), 400, "invalid_request")
    assert (len(document["details"]), document["more"]) == (20, 40)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
PLACES = [
    ("signature",),
    ("version",),
    ("metadata",),
    ("metadata", "sale"),
    ("languages",),
    ("languages", 0),
    ("lots",),
    ("lots", 0),
    *(("lots", 0, name) for name in ("lot_id", "additional_info", "images", "webhook")),
    ("lots", 0, "images", 0),
    ("lots", 0, "images", 0, "url"),
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PLACES), JSON)
def test_a_value_of_any_kind_anywhere_is_a_4xx(service, place, value):
    request = signed(lots=lots(webhook="http://127.0.0.1/", additional_info=""), metadata={})
    *way, last = place
    target = request
    for step in way:
        target = target[step]
    target[last] = value
    if place != ("signature",):
        request["signature"] = sign(SHARED_KEY, canonical(request["lots"]))
    assert service.post(request)[0] in {400, 403}

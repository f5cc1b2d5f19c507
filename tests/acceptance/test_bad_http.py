"""What no HTTP library would send: answered with a 4xx or cut off, and forgotten."""

import json
import socket
from http.client import HTTPResponse

import pytest

from tests.acceptance.lonely_service import (
    GENERATE,
    MAX_BYTES,
    VALIDATE,
    assert_refused,
    lonely_service,
    signed,
)

JOB = "550e8400-e29b-41d4-a716-446655440000"


@pytest.fixture(scope="module")
def service(folder, database_url):
    with lonely_service(folder, database_url) as service:
        yield service


@pytest.fixture(autouse=True)
def _unharmed(service):
    yield
    service.assert_unharmed()
    assert service.get("/health")[0] == 200


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def refusal(self):
        return self.status, self.body


def exchange(service, *lines, body=b"", hang_up=True):
    """Send these lines and this body, and nothing more; returns the answer."""
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(head + body)
        if hang_up:
            connection.shutdown(socket.SHUT_WR)
        with HTTPResponse(connection) as response:
            response.begin()
            return Answer(response)


def post(service, *headers, body=b"", **more):
    return exchange(service, f"POST {GENERATE} HTTP/1.1", "Host: x", *headers, body=body, **more)


CUT_OFF = {
    "a length": (["Content-Length: 9"], b"{}"),
    "chunks": (["Transfer-Encoding: chunked"], b"2\r\n{}\r\n"),
    "a chunk": (["Transfer-Encoding: chunked"], b"9\r\n{}"),
    "no chunks": (["Transfer-Encoding: chunked"], b"zz\r\n{}\r\n0\r\n\r\n"),
    "a negative chunk": (["Transfer-Encoding: chunked"], b"-1\r\n{}\r\n0\r\n\r\n"),
    "nothing at all": ([], b""),
}


@pytest.mark.parametrize(("headers", "body"), CUT_OFF.values(), ids=CUT_OFF)
def test_a_body_that_does_not_end_as_it_says_is_a_400(service, headers, body):
    assert_refused(post(service, *headers, body=body).refusal, 400, "invalid_json")


def test_a_length_that_is_too_large_is_a_413_before_the_body_comes(service):
    answer = post(service, f"Content-Length: {MAX_BYTES + 1}", hang_up=False)
    assert_refused(answer.refusal, 413, "request_too_large")


def test_chunks_that_grow_too_large_are_a_413_on_the_way(service):
    chunk = b"20000\r\n" + b" " * 0x20000 + b"\r\n"
    body = chunk * (MAX_BYTES // 0x20000 + 3)  # little more than is read: the rest would be reset
    answer = post(service, "Transfer-Encoding: chunked", body=body, hang_up=False)
    assert_refused(answer.refusal, 413, "request_too_large")


def test_neither_a_content_type_nor_http_1_1_is_needed(service):
    body = json.dumps(signed(version="2")).encode()
    line = f"POST {GENERATE} HTTP/1.0"
    answer = exchange(service, line, f"Content-Length: {len(body)}", body=body)
    assert_refused(answer.refusal, 400, "invalid_request")


def test_a_client_that_waits_to_be_asked_for_the_body_is_asked(service):
    answer = post(service, "Expect: 100-continue", "Content-Length: 2", body=b"[]")
    assert_refused(answer.refusal, 400, "invalid_json")


NO_HTTP = {
    "two lengths": ["Content-Length: 2", "Content-Length: 3"],
    "a negative length": ["Content-Length: -1"],
    "no number": ["Content-Length: two"],
    "both": ["Content-Length: 2", "Transfer-Encoding: chunked"],
    "an unknown coding": ["Transfer-Encoding: chunked, nonsense"],
    "a long header": ["X-A: " + "a" * 70_000],
    "many headers": [f"X-{n}: a" for n in range(1_000)],
    "a header without a name": [": a"],
    "a space in a name": ["X A: a"],
    "a NUL": ["X-A: \0"],
    "a line folded": ["X-A: a", " b"],
}


@pytest.mark.parametrize("headers", NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_hardly_http_is_refused(service, headers):
    answer = post(service, *headers, body=b"{}")
    assert_refused(answer.refusal, 400, "invalid_request")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-Id"]


NO_REQUESTS = {
    "nothing": b"",
    "blank lines": b"\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9": b"GET / HTTP/9.9\r\n\r\n",
    "a word": b"GET\r\n\r\n",
    "small letters": b"get /health http/1.1\r\n\r\n",
    "a NUL": b"GET /\x00 HTTP/1.1\r\n\r\n",
    "no ASCII": b"GET /\xff HTTP/1.1\r\n\r\n",
    "an endless line": b"GET " + b"/" * 5_000,
}


@pytest.mark.parametrize("sent", NO_REQUESTS.values(), ids=NO_REQUESTS)
def test_what_is_no_request_is_cut_off(service, sent):
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        said = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = said.partition(b"\r\n\r\n")
    assert not said or head.startswith(b"HTTP/1.1 4")
    assert not said or json.loads(body)["error"] in {"invalid_request", "not_found"}


NOWHERE = ["/", "/api/v1", "/api/v2/batch-jobs", "/api/v1/batch-jobs/", "/../etc/passwd", "/%00"]


@pytest.mark.parametrize("path", [*NOWHERE, "http://elsewhere/nowhere", "/" + "x" * 4_000])
def test_an_unknown_path_is_a_404(service, path):
    answer = exchange(service, f"GET {path} HTTP/1.1", "Host: x")
    assert_refused(answer.refusal, 404, "not_found")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-Id"]


METHODS = [
    ("GET", GENERATE, "POST"),
    ("PUT", VALIDATE, "POST"),
    ("POST", "/api/v1/batch-jobs", "GET"),
    ("DELETE", f"/api/v1/batch-status/{JOB}", "GET"),
    ("PATCH", f"/api/v1/batch-results/{JOB}", "GET"),
    ("GET", f"/api/v1/batch-jobs/{JOB}/cancel", "POST"),
    ("BREW", "/health", "GET"),
    ("TRACE", "/health", "GET"),
]


@pytest.mark.parametrize(("method", "path", "allowed"), METHODS)
def test_a_wrong_method_is_a_405_that_names_the_right_ones(service, method, path, allowed):
    answer = exchange(service, f"{method} {path} HTTP/1.1", "Host: x")
    assert_refused(answer.refusal, 405, "method_not_allowed")
    assert allowed in answer.headers["Allow"].split(", ")

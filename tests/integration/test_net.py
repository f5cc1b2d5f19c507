import os
import socket
import ssl
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest

from generation_service.clients.curl_handle import MAX_HEADER_BYTES
from tests.outgoing import PLAIN, answers, fetch, transfers
from tests.servers import LoopbackServer, Reply

QUICK = replace(PLAIN, total_seconds=0.5)


@pytest.fixture
def server():
    with LoopbackServer() as running:
        yield running


@pytest.fixture
def self_signed(tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*command, *subject, "-out", certificate, "-keyout", key], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def get(server, reply, like=PLAIN):
    server.replies["/x"] = reply
    return fetch(server.url("/x"), server.allowed, like=like)


def test_an_answer_has_status_headers_in_lower_case_and_body(server):
    answer = get(server, Reply(status=418, body=b"short and stout", headers={"X-Kind": "Teapot"}))
    assert (answer.status, answer.body, answer.error) == (418, b"short and stout", None)
    assert answer.headers["x-kind"] == "Teapot"


def test_a_post_carries_exactly_its_body_and_headers(server):
    body = b'{"big": "' + b"x" * 2_000_000 + b'"}'
    like = replace(PLAIN, method="POST", body=body, headers={"X-Signature": "sha256=00"})
    assert get(server, Reply(), like).status == 200
    (received,) = server.received
    assert (received.method, received.body) == ("POST", body)
    assert received.headers["x-signature"] == "sha256=00"
    assert "expect" not in received.headers


def test_a_path_that_is_not_ascii_is_percent_encoded(server):
    fetch(server.url("/фото 1.jpg?q=ё"), server.allowed)
    assert server.received[0].path == "/%D1%84%D0%BE%D1%82%D0%BE%201.jpg?q=%D1%91"


def test_a_gzip_body_is_unpacked(server):
    answer = get(server, Reply(body=b"hello " * 1000, gzip=True))
    assert answer.body == b"hello " * 1000


def test_a_gzip_bomb_is_cut_at_the_limit_and_counts_as_answered(server):
    answer = get(server, Reply(body=b"\0" * 50_000_000, gzip=True))
    assert (answer.status, answer.error, len(answer.body)) == (200, None, PLAIN.max_bytes)


def test_a_body_is_cut_at_the_limit_and_counts_as_answered(server):
    answer = get(server, Reply(body=b"0123456789"), replace(PLAIN, max_bytes=4))
    assert (answer.status, answer.error, answer.body) == (200, None, b"0123")


def test_a_body_of_exactly_the_limit_is_whole(server):
    answer = get(server, Reply(body=b"0123"), replace(PLAIN, max_bytes=4))
    assert (answer.body, answer.error) == (b"0123", None)


def test_a_body_that_drips_past_the_deadline_keeps_its_status(server):
    began = time.monotonic()
    answer = get(server, Reply(status=201, body=b"z" * 1000, drip=0.05), QUICK)
    assert (answer.status, answer.error) == (201, "timeout")
    assert 0 < len(answer.body) < 100
    assert time.monotonic() - began < 3


def test_a_status_line_that_drips_past_the_deadline_is_a_timeout(server):
    answer = get(server, Reply(raw=b"HTTP/1.1 200 OK\r\n" * 10, drip=0.1), QUICK)
    assert (answer.status, answer.error) == (None, "timeout")


def test_a_server_that_never_answers_is_a_timeout(server):
    answer = get(server, Reply(hang=True), QUICK)
    assert (answer.status, answer.error) == (None, "timeout")
    assert 0.4 < answer.seconds < 3


def test_a_hang_on_a_connection_used_before_is_still_a_timeout(server):
    server.replies |= {"/ok": Reply(), "/hang": Reply(hang=True)}
    with transfers(server.allowed) as running:
        running.add("ok", replace(QUICK, url=server.url("/ok")))
        assert answers(running)["ok"].status == 200
        running.add("hang", replace(QUICK, url=server.url("/hang")))
        assert answers(running)["hang"].error == "timeout"
    assert server.connections == 1


def test_a_reset_connection_is_a_network_error(server):
    answer = get(server, Reply(reset=True))
    assert (answer.status, answer.error) == (None, "network_error")


def test_a_body_that_breaks_off_keeps_its_status(server):
    broken = b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nhalf"
    answer = get(server, Reply(raw=broken))
    assert (answer.status, answer.error, answer.body) == (202, "network_error", b"half")


def test_an_interim_answer_is_not_the_answer(server):
    raw = b"HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
    answer = get(server, Reply(raw=raw))
    assert (answer.status, answer.headers) == (204, {})


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"220 smtp.example ESMTP\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 99999 Much\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    ],
)
def test_what_has_no_final_status_is_a_network_error(server, raw):
    answer = get(server, Reply(raw=raw))
    assert (answer.status, answer.error) == (None, "network_error")


def test_a_broken_encoding_keeps_the_status(server):
    answer = get(server, Reply(body=b"not gzip", headers={"Content-Encoding": "gzip"}))
    assert (answer.status, answer.error) == (200, "network_error")


def test_headers_without_end_are_cut_off(server):
    line = b"X-Padding: " + b"x" * 1000 + b"\r\n"
    lines = line * (MAX_HEADER_BYTES // len(line) + 1)
    answer = get(server, Reply(raw=b"HTTP/1.1 200 OK\r\n" + lines))
    assert answer.error == "network_error"
    assert answer.message == "The answer's headers are too large."


def test_a_closed_port_is_a_failed_connect():
    with LoopbackServer() as server:
        pass
    assert fetch(server.url(), server.allowed).error == "connect_failed"


def test_a_host_that_takes_no_connections_is_a_failed_connect():
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # fill its backlog, so that the next connect hangs
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/"
        like = replace(PLAIN, connect_seconds=0.3)
        assert fetch(url, frozenset({full.getsockname()}), like=like).error == "connect_failed"


def test_a_tls_handshake_that_hangs_is_a_timeout():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        answer = fetch(f"https://127.0.0.1:{port}/", frozenset({("127.0.0.1", port)}), like=QUICK)
    assert (answer.status, answer.error) == (None, "timeout")


def test_a_server_without_tls_is_a_tls_failure(server):
    url = server.url().replace("http:", "https:")
    assert fetch(url, server.allowed).error == "tls_failed"


def test_a_certificate_of_an_unknown_authority_is_a_tls_failure(self_signed):
    with LoopbackServer({"/": Reply()}, tls=self_signed) as server:
        answer = fetch(server.url().replace("http:", "https:"), server.allowed)
    assert (answer.error, server.received) == ("tls_failed", [])


def test_enough_ends_a_transfer_early_with_success(server):
    seen = []

    def enough(status, headers, body):
        seen.append((status, headers["content-length"]))
        return len(body) >= 3

    like = replace(PLAIN, enough=enough)
    answer = get(server, Reply(body=b"abc" + b"z" * 10_000, drip=0.01), like)
    assert (answer.status, answer.error, answer.body[:3]) == (200, None, b"abc")
    assert seen[-1] == (200, "10003")
    assert answer.seconds < 5


def test_cookies_are_not_kept(server):
    server.replies["/x"] = Reply(headers={"Set-Cookie": "id=1; Path=/"})
    with transfers(server.allowed) as running:
        for tag in ("first", "second"):
            running.add(tag, replace(PLAIN, url=server.url("/x")))
            answers(running)
    assert all("cookie" not in request.headers for request in server.received)


def test_a_get_after_a_post_on_the_same_handle_carries_nothing_over(server):
    post = replace(PLAIN, url=server.url("/1"), method="POST", body=b"x", headers={"X-Old": "1"})
    with transfers(server.allowed) as running:
        for request in (post, replace(PLAIN, url=server.url("/2"))):
            running.add("only", request)
            answers(running)
    second = server.received[1]
    assert (second.method, second.body) == ("GET", b"")
    assert "x-old" not in second.headers


def test_proxies_named_by_the_environment_are_ignored(server):
    code = (
        "import sys; from tests.outgoing import fetch\n"
        "print(fetch(sys.argv[1], frozenset({('127.0.0.1', int(sys.argv[2]))})).status)"
    )
    with LoopbackServer() as proxy:
        proxies = dict.fromkeys(("http_proxy", "all_proxy", "ALL_PROXY"), proxy.url())
        run = subprocess.run(
            [sys.executable, "-c", code, server.url(), str(server.port)],
            env={**os.environ, **proxies, "no_proxy": "", "NO_PROXY": ""},
            capture_output=True,
            check=True,
        )
    assert (run.stdout, len(server.received), proxy.received) == (b"404\n", 1, [])

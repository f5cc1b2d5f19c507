"""Bodies over real connections to Gunicorn: slow, endless, broken ones."""

import os
import socket
import subprocess
import sys
from http.client import HTTPConnection, HTTPResponse
from json import loads

import pytest

GUNICORN = [
    sys.executable,
    "-m",
    "gunicorn",
    "-k",
    "gthread",
    "--threads",
    "4",
    "--no-control-socket",
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where Gunicorn serves body_app, from a folder without a gunicorn.conf.py."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = listener.getsockname()
        process = subprocess.Popen(
            [*GUNICORN, "-b", f"fd://{listener.fileno()}", "tests.integration.body_app:app"],
            pass_fds=[listener.fileno()],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=tmp_path_factory.mktemp("gunicorn"),
        )
    # Only Gunicorn holds the socket now: should it fail, connections are refused at once.
    yield found
    process.terminate()
    process.wait()


@pytest.fixture
def connection(address):
    with socket.create_connection(address, timeout=20) as connection:
        yield connection


def head(*headers):
    return "\r\n".join(["POST / HTTP/1.1", "Host: test", *headers, "", ""]).encode()


def answer(connection):
    with HTTPResponse(connection) as response:
        response.begin()
        return response.status, loads(response.read())


def test_a_body_is_read_and_the_connection_kept(address):
    http = HTTPConnection(address[0], address[1], timeout=20)
    for _ in range(2):
        http.request("POST", "/", b'{"a": 1}')
        with http.getresponse() as response:
            assert loads(response.read()) == {"keys": ["a"]}
    http.close()


def test_chunks_are_put_together(connection):
    connection.sendall(head("Transfer-Encoding: chunked") + b'4\r\n{"a"\r\n3\r\n:1}\r\n0\r\n\r\n')
    assert answer(connection) == (200, {"keys": ["a"]})


def test_a_sender_that_drips_is_answered_408(connection):
    connection.sendall(head("Content-Length: 9") + b"{")
    status, document = answer(connection)
    assert (status, document["error"]) == (408, "request_timeout")


def test_a_sender_that_drips_chunks_is_answered_408(connection):
    connection.sendall(head("Transfer-Encoding: chunked") + b"1\r\n{\r\n")
    status, document = answer(connection)
    assert (status, document["error"]) == (408, "request_timeout")


def test_a_declared_length_that_is_too_large_is_refused_before_the_body_comes(connection):
    connection.sendall(head("Content-Length: 100001"))
    status, document = answer(connection)
    assert (status, document["error"]) == (413, "request_too_large")


def test_endless_chunks_are_refused_on_the_way(connection):
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    connection.sendall(head("Transfer-Encoding: chunked") + chunk * 4)
    status, document = answer(connection)
    assert (status, document["error"]) == (413, "request_too_large")


def test_broken_chunks_are_a_400(connection):
    connection.sendall(head("Transfer-Encoding: chunked") + b"zz\r\n{}\r\n0\r\n\r\n")
    status, document = answer(connection)
    assert (status, document["error"]) == (400, "invalid_json")


def test_a_body_that_ends_early_is_a_400(connection):
    connection.sendall(head("Content-Length: 9") + b"{}")
    connection.shutdown(socket.SHUT_WR)
    status, document = answer(connection)
    assert (status, document["error"]) == (400, "invalid_json")


def test_a_body_that_nobody_reads_is_not_waited_for(connection):
    connection.sendall(head("Content-Length: 1000000").replace(b"POST / ", b"POST /nowhere "))
    connection.sendall(b"x")
    assert answer(connection)[0] == 404
    assert connection.recv(1) == b""  # closed at once, though the rest may still be dripping


def test_a_client_that_sends_first_and_reads_later_gets_its_413(address):
    http = HTTPConnection(address[0], address[1], timeout=20)
    http.request("POST", "/", b"x" * 20_000_000)
    assert http.getresponse().status == 413
    http.close()

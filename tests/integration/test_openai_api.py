"""Files and batches, and what is known after a call that went wrong."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from io import BytesIO

import pytest

from generation_service.clients.openai_api import (
    OpenAIClient,
    OpenAIRefused,
    OpenAIUnclear,
    OpenAIUnreachable,
)
from tests.servers import LoopbackServer, Reply, redirect

CALLS: dict[str, Callable[[OpenAIClient], object]] = {
    "upload": lambda openai: openai.upload(BytesIO(b"{}"), name="i", expires_after_days=1),
    "create": lambda openai: openai.create_batch(input_file_id="file-1", metadata={}),
    "retrieve": lambda openai: openai.retrieve_batch("batch-1"),
    "cancel": lambda openai: openai.cancel_batch("batch-1"),
    "list": lambda openai: list(openai.list_batches()),
    "models": lambda openai: openai.models(),
    "lines": lambda openai: list(openai.file_lines("file-1")),
}
PATHS = {
    "upload": "/v1/files",
    "create": "/v1/batches",
    "retrieve": "/v1/batches/batch-1",
    "cancel": "/v1/batches/batch-1/cancel",
    "list": "/v1/batches?limit=100",
    "models": "/v1/models",
    "lines": "/v1/files/file-1/content",
}
ANSWERED_WITH_JSON = sorted(set(CALLS) - {"lines"})


@contextmanager
def talking_to(base_url: str, timeout: float = 20.0) -> Iterator[OpenAIClient]:
    openai = OpenAIClient(api_key="sk-test", base_url=base_url, timeout=timeout)
    try:
        yield openai
    finally:
        openai.close()


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        yield server


@pytest.fixture
def openai(server: LoopbackServer) -> Iterator[OpenAIClient]:
    with talking_to(server.url("/v1")) as openai:
        yield openai


def answer(value: object, **more) -> Reply:
    return Reply(body=json.dumps(value).encode(), **more)


def listing(*ids: str, **more: object) -> Reply:
    return answer({"object": "list", "data": [{"id": each} for each in ids], **more})


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("status", "code"), [(404, "not_found"), (400, "token_limit_exceeded"), (429, "slow_down")]
)
def test_a_4xx_is_a_clear_no(server, openai, call, status, code):
    body = {"error": {"code": code, "message": "as told"}}
    server.replies[PATHS[call]] = answer(body, status=status, headers={"Retry-After": "3"})
    with pytest.raises(OpenAIRefused) as refused:
        CALLS[call](openai)
    no = refused.value
    assert (no.status, no.code, no.message, no.retry_after) == (status, code, "as told", 3)
    assert len(server.received) == 1


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "reply",
    [
        answer({"error": {"message": "down"}}, status=500),
        Reply(status=502, body=b"<html>Bad gateway</html>"),
        Reply(reset=True),
        Reply(raw=b""),
        Reply(raw=b"\x00\x01"),
        Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
        Reply(body=b"{}", gzip=True),
        Reply(body=b"{}", headers={"Content-Encoding": "br"}),
    ],
    ids=["500", "502", "reset", "hung up", "no HTTP", "cut off", "gzip", "br"],
)
def test_what_may_have_been_done_is_unclear_and_asked_once(server, openai, call, reply):
    server.replies[PATHS[call]] = reply
    with pytest.raises(OpenAIUnclear):
        CALLS[call](openai)
    assert len(server.received) == 1


@pytest.mark.parametrize("call", ANSWERED_WITH_JSON)
@pytest.mark.parametrize("body", [b"", b"<html>Sign in</html>", b"[]", b"null", b"[" * 100_000])
def test_an_answer_that_is_no_json_object_is_unclear(server, openai, call, body):
    server.replies[PATHS[call]] = Reply(body=body, headers={"Content-Type": "text/html"})
    with pytest.raises(OpenAIUnclear):
        CALLS[call](openai)


@pytest.mark.parametrize("call", ["upload", "create", "retrieve", "cancel"])
def test_an_answer_without_an_id_is_unclear(server, openai, call):
    server.replies[PATHS[call]] = Reply(body=b'{"object": "batch"}')
    with pytest.raises(OpenAIUnclear):
        CALLS[call](openai)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("reply", [Reply(hang=True), Reply(body=b" " * 9_999, drip=0.05)])
def test_a_server_that_takes_too_long_is_unclear(server, call, reply):
    server.replies[PATHS[call]] = reply
    with talking_to(server.url("/v1"), timeout=0.3) as openai, pytest.raises(OpenAIUnclear):
        CALLS[call](openai)


@pytest.mark.parametrize("call", CALLS)
def test_a_server_that_is_not_there_is_unreachable(call):
    with LoopbackServer() as server:
        base_url = server.url("/v1")
    with talking_to(base_url) as openai, pytest.raises(OpenAIUnreachable):
        CALLS[call](openai)


def test_redirects_without_end_are_unclear(server, openai):
    server.replies["/v1/models"] = redirect("/v1/models")
    with pytest.raises(OpenAIUnclear):
        openai.models()


def test_every_page_of_batches_is_read(server, openai):
    server.replies["/v1/batches?limit=100"] = listing("b3", "b2", has_more=True)
    server.replies["/v1/batches?after=b2&limit=100"] = listing("b1", has_more=False)
    assert [state.id for state in openai.list_batches()] == ["b3", "b2", "b1"]


def test_a_server_that_always_sends_the_same_page_is_believed_once(server, openai):
    server.replies["/v1/batches"] = listing("b2", "b1")
    assert [state.id for state in openai.list_batches()] == ["b2", "b1"]


@pytest.mark.parametrize("data", [None, "text", [], [None, 5, {}, {"id": None}]])
def test_a_listing_without_batches_is_empty(server, openai, data):
    server.replies["/v1/batches"] = answer({"data": data})
    assert list(openai.list_batches()) == []


def test_models_come_with_the_day_of_their_end(server, openai):
    dates = {"a": "2027-01-14", "b": None, "c": 1_799_884_800, "d": "soon"}
    data = [{"id": name, "shutdown_date": day} for name, day in dates.items()]
    server.replies["/v1/models"] = answer({"data": [*data, {"id": "e"}]})
    assert openai.models() == {"a": date(2027, 1, 14), **dict.fromkeys("bcde")}


def test_lines_are_given_before_the_connection_breaks(server, openai):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n"
    server.replies[PATHS["lines"]] = Reply(raw=head + b'{"a": 1}\n' * 20_000)
    lines = openai.file_lines("file-1")
    assert next(lines) == b'{"a": 1}'
    with pytest.raises(OpenAIUnclear):
        list(lines)


def test_a_file_may_be_left_half_read(server, openai):
    server.replies[PATHS["lines"]] = Reply(body=b'{"a": 1}\n' * 200_000)
    lines = openai.file_lines("file-1")
    assert next(lines) == b'{"a": 1}'
    lines.close()
    assert len(list(openai.file_lines("file-1"))) == 200_000


def test_a_line_without_end_does_not_fill_the_memory(server, openai):
    server.replies[PATHS["lines"]] = Reply(body=bytes(1) * 40 * 1024 * 1024 + b"\nnext\n")
    assert [len(line) for line in openai.file_lines("file-1")] == [32 * 1024 * 1024, 4]


FETCH_MODELS = """
from generation_service.clients.openai_api import OpenAIClient
openai = OpenAIClient(api_key="sk-test", base_url="http://openai.invalid/v1")
print(sorted(openai.models()))
"""


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"HTTP_PROXY": "{}"}, "['m']"),
        ({"all_proxy": "{}"}, "['m']"),
        ({"HTTP_PROXY": "{}", "NO_PROXY": "openai.invalid"}, "OpenAIUnreachable"),
    ],
)
def test_the_environments_proxy_is_honoured(server, variables, found):
    server.replies["http://openai.invalid/v1/models"] = listing("m")
    proxies = {name: value.format(server.url("")) for name, value in variables.items()}
    bare = {name: os.environ[name] for name in os.environ if "proxy" not in name.lower()}
    done = subprocess.run(
        [sys.executable, "-c", FETCH_MODELS],
        env=bare | proxies,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert found in done.stdout + done.stderr

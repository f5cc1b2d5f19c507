"""Direct calls: what is repeated, and that no server can hold one past its deadline."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from generation_service.clients.deadline import Deadline
from generation_service.clients.openai_api import OpenAIClient
from generation_service.clients.openai_tries import Pauses
from generation_service.core.replies import Completion, Failure
from tests.servers import LoopbackServer, Reply
from tests.waiting import until

CHAT = "/v1/chat/completions"
BODY = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": "Повреждён"}]}
ANSWER = {
    "model": "gpt-6-luna",
    "choices": [{"message": {"content": "<p>Dent.</p>"}, "finish_reason": "stop"}],
}
TEXT = Reply(body=json.dumps(ANSWER).encode(), headers={"Content-Type": "application/json"})


def error(status: int, code: str | None = None, **headers: str) -> Reply:
    body = {"error": {"message": "as told", "code": code}}
    return Reply(status=status, body=json.dumps(body).encode(), headers=headers)


class Asker:
    """A client of a server that answers as told, and the pauses that it made."""

    def __init__(self, server: LoopbackServer) -> None:
        self.server = server
        self.pauses: list[float] = []
        self.client = client(server.url("/v1"), self.pauses)

    def __call__(self, *replies: Reply, seconds: float = 60) -> Completion | Failure:
        self.server.replies[CHAT] = replies
        return self.client.complete(BODY, Deadline.after(seconds))


def client(base_url: str, pauses: list[float]) -> OpenAIClient:
    waits = Pauses(wait=pauses.append, jitter=lambda: 1.0)
    return OpenAIClient(api_key="sk-test", base_url=base_url, pauses=waits)


@pytest.fixture
def ask() -> Iterator[Asker]:
    with LoopbackServer() as server:
        asker = Asker(server)
        yield asker
        asker.client.close()


def test_the_body_is_sent_as_it_is_and_the_answer_read(ask):
    reply = ask(TEXT)
    assert isinstance(reply, Completion)
    assert reply.text == "<p>Dent.</p>"
    [request] = ask.server.received
    assert json.loads(request.body) == BODY
    assert request.headers["authorization"] == "Bearer sk-test"
    assert request.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "trouble",
    [error(429, "rate_limit_exceeded"), error(500), error(503, "slow_down"), error(408)],
)
def test_a_passing_trouble_is_tried_again(ask, trouble):
    assert isinstance(ask(trouble, trouble, TEXT), Completion)
    assert ask.pauses == [0.5, 1.0]


@pytest.mark.parametrize("headers", [{"Retry-After": "7"}, {"Retry-After": "7.0"}])
def test_retry_after_is_honoured(ask, headers):
    assert isinstance(ask(error(429, **headers), TEXT), Completion)
    assert ask.pauses == [7.0]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (error(400, "invalid_value"), "openai_error"),
        (error(401, "invalid_api_key"), "openai_error"),
        (error(404, "model_not_found"), "model_not_found"),
        (error(429, "insufficient_quota"), "openai_quota_exhausted"),
        (error(400, "invalid_image_url"), "image_download_failed"),
        (Reply(body=b"<html>Sign in</html>"), "openai_malformed_line"),
        (Reply(body=b"[]"), "openai_malformed_line"),
        (Reply(body=b""), "openai_malformed_line"),
        (Reply(status=204), "openai_malformed_line"),
        (Reply(body=b"\xff\x00"), "openai_malformed_line"),
        (Reply(body=b"{}", headers={"Content-Type": "text/event-stream"}), "openai_malformed_line"),
        (Reply(body=TEXT.body, gzip=True), "openai_outcome_unknown"),
        (Reply(reset=True), "openai_outcome_unknown"),
        (Reply(raw=b""), "openai_outcome_unknown"),
        (Reply(raw=b"SSH-2.0-OpenSSH\r\n"), "openai_outcome_unknown"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), "openai_outcome_unknown"),
    ],
)
def test_whatever_else_comes_is_asked_for_once_and_has_a_name(ask, answer, code):
    reply = ask(answer, TEXT)
    assert isinstance(reply, Failure)
    assert reply.code == code
    assert ask.pauses == []


def test_a_server_that_is_not_there_is_tried_again():
    pauses: list[float] = []
    with LoopbackServer() as server:
        gone = client(server.url("/v1"), pauses)
    reply = gone.complete(BODY, Deadline.after(60))
    gone.close()
    assert isinstance(reply, Failure)
    assert reply.code == "openai_error"
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0]


SLOW_HEADERS = b"HTTP/1.1 200 OK\r\n" + b"X-Filler: x\r\n" * 1_000


@pytest.mark.parametrize(
    "answer",
    [
        Reply(hang=True),
        Reply(body=b" " * 10_000, drip=0.05),
        Reply(status=500, body=b" " * 10_000, drip=0.05),
        Reply(raw=SLOW_HEADERS, drip=0.05),
    ],
    ids=["hangs", "drips its body", "drips an error", "drips its headers"],
)
def test_no_server_holds_a_call_past_its_deadline(ask, answer):
    started = time.monotonic()
    reply = ask(answer, seconds=0.5)
    assert time.monotonic() - started < 2
    assert isinstance(reply, Failure)
    assert reply.code == "openai_timeout"
    assert len(ask.server.received) == 1


def test_a_kept_connection_that_the_server_has_closed_is_not_used_again(ask):
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(TEXT.body)}\r\n\r\n".encode()
    assert isinstance(ask(Reply(raw=head + TEXT.body)), Completion)
    until(lambda: not ask.server.sockets, what="the server has closed the connection")
    assert isinstance(ask(TEXT), Completion)


def test_an_endless_answer_is_cut_off(ask):
    reply = ask(Reply(body=bytes(33 * 1024 * 1024)))
    assert isinstance(reply, Failure)
    assert reply.code == "openai_outcome_unknown"
    assert "larger than" in reply.message


def test_a_hundred_calls_run_at_once(ask):
    together = threading.Event()
    ask.server.replies[CHAT] = Reply(body=TEXT.body, held=together)
    with ThreadPoolExecutor(100) as pool:
        calls = [pool.submit(ask.client.complete, BODY, Deadline.after(60)) for _ in range(100)]
        until(lambda: ask.server.open_requests == 100, what="100 open requests")
        together.set()
        assert all(isinstance(call.result(), Completion) for call in calls)

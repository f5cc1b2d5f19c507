import sys
from dataclasses import replace

import pytest

from generation_service.clients.webhooks import outcome, outgoing
from tests.outgoing import answers, fetch, transfers
from tests.servers import LoopbackServer, Reply, redirect

BODY = '{"job_id": "1", "text": "ё"}'.encode()


@pytest.fixture
def server():
    with LoopbackServer() as running:
        yield running


def deliver(server, reply, **changes):
    server.replies["/hook"] = reply
    url = server.url("/hook")
    request = replace(outgoing(url, BODY, {"X-Webhook-Attempt": "1"}), **changes)
    return outcome(fetch(url, server.allowed, like=request))


def test_a_delivery_posts_the_very_bytes_and_headers(server):
    result = deliver(server, Reply(status=202, body=b"thanks"))
    (received,) = server.received
    assert (received.method, received.body) == ("POST", BODY)
    assert received.headers["x-webhook-attempt"] == "1"
    assert (result.status_code, result.error, result.response_text) == (202, None, "thanks")


@pytest.mark.parametrize("status", [200, 204, 302, 400, 410, 500])
def test_a_status_is_recorded_without_an_error(server, status):
    result = deliver(server, Reply(status=status))
    assert (result.status_code, result.error) == (status, None)


def test_a_redirect_is_not_followed(server):
    assert deliver(server, redirect("/elsewhere")).status_code == 302
    assert server.hits("/elsewhere") == 0


def test_the_status_line_decides_though_the_body_drips_past_the_deadline(server):
    result = deliver(server, Reply(body=b"z" * 1000, drip=0.05), total_seconds=0.5)
    assert (result.status_code, result.error) == (200, None)
    assert result.seconds < 3


def test_no_status_line_is_an_error_in_words(server):
    result = deliver(server, Reply(hang=True), total_seconds=0.3)
    assert result.status_code is None
    assert str(result.error).startswith("timeout: ")


def test_a_refused_address_is_an_error_that_does_not_show_the_address(server):
    url = server.url("/hook", "hooks.test")
    request = outgoing(url, BODY, {})
    error = str(outcome(fetch(url, like=request, lookup=lambda _name: ["127.0.0.1"])).error)
    assert error.startswith("address_refused: The address of hooks.test is not public")
    assert "127.0.0.1" not in error


def test_at_most_64_kib_of_the_answer_are_unpacked_and_1000_characters_kept(server):
    bomb = Reply(body=b"\0\xff" + "ё".encode() * 5_000_000, gzip=True)
    result = deliver(server, bomb)
    assert result.status_code == 200
    assert len(result.response_text) == 1000
    assert "\0" not in result.response_text


def test_retry_after_is_handed_on_as_sent(server):
    assert deliver(server, Reply(status=503, headers={"Retry-After": "120"})).retry_after == "120"
    assert deliver(server, Reply(status=503)).retry_after is None


def test_a_body_is_let_go_of_when_its_answer_is_there(server):
    body = bytes(1_000_000)
    before = sys.getrefcount(body)
    with transfers(server.allowed) as running:
        running.add("only", outgoing(server.url("/hook"), body, {}))
        assert answers(running)["only"].status == 404
        assert sys.getrefcount(body) == before


def test_a_delivery_has_15_seconds_and_follows_nothing():
    request = outgoing("https://hooks.example/", BODY, {})
    assert (request.total_seconds, request.redirects, request.max_bytes) == (15.0, 0, 65_536)

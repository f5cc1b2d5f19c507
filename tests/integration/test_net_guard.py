from dataclasses import replace

import pytest

from generation_service.clients.addresses import NOBODY
from generation_service.clients.curl_handle import CurlHandle, Hop
from generation_service.clients.curl_loop import CurlLoop
from generation_service.clients.mailbox import Mailbox
from generation_service.clients.presence import Presence
from generation_service.clients.urls import parse_target
from tests.outgoing import PLAIN, answers, fetch, transfers
from tests.servers import LoopbackServer, Reply, redirect

FOLLOWING = replace(PLAIN, redirects=3)
LOOPBACK = ["127.0.0.1"]


@pytest.fixture
def server():
    with LoopbackServer({"/": Reply(body=b"in")}) as running:
        yield running


def test_loopback_is_refused_unless_the_operator_named_it(server):
    answer = fetch(server.url())
    assert (answer.status, answer.error) == (None, "address_refused")
    assert server.connections == 0


def test_another_port_of_a_named_host_is_refused(server):
    assert fetch(server.url(), frozenset({("127.0.0.1", 1)})).error == "address_refused"
    assert server.connections == 0


def test_a_name_that_resolves_to_loopback_is_refused(server):
    answer = fetch(server.url(host="photos.test"), lookup=lambda _name: LOOPBACK)
    assert answer.error == "address_refused"
    assert answer.message.startswith("The address of photos.test is not public: loopback")
    assert server.connections == 0


def test_localhost_is_looked_up_by_the_system_and_refused(server):
    assert fetch(server.url(host="localhost")).error == "address_refused"


def test_a_named_exception_is_dialled_at_the_address_that_was_looked_up(server):
    allowed = frozenset({("photos.test", server.port)})
    answer = fetch(server.url(host="photos.test"), allowed, lookup=lambda _name: LOOPBACK)
    assert answer.body == b"in"
    assert server.received[0].headers["host"] == f"photos.test:{server.port}"


def test_one_refused_address_refuses_the_whole_name(server):
    allowed = frozenset({("photos.test", server.port)})
    mixed = ["127.0.0.1", "169.254.169.254"]
    answer = fetch(server.url(host="photos.test"), allowed, lookup=lambda _name: mixed)
    assert answer.error == "address_refused"
    assert server.connections == 0


def test_a_name_that_changes_its_mind_is_still_dialled_where_it_was_judged(server):
    turns = iter([LOOPBACK])  # a second look-up would raise
    allowed = frozenset({("photos.test", server.port)})
    answer = fetch(server.url(host="photos.test"), allowed, lookup=lambda _name: next(turns))
    assert answer.body == b"in"


@pytest.mark.parametrize(("host", "pins"), [("127.0.0.1", ()), ("photos.test", ("127.0.0.1",))])
def test_the_socket_is_guarded_even_if_the_check_before_it_were_missed(server, host, pins):
    handle = CurlHandle(NOBODY)
    hop = Hop(
        target=parse_target(server.url(host=host)),
        addresses=pins,
        connect_seconds=2,
        total_seconds=2,
        may_redirect=False,
    )
    handle.begin(PLAIN, hop)
    with (
        Mailbox[object]() as mailbox,
        CurlLoop(mailbox.fileno(), Presence(), idle_connections=1) as loop,
    ):
        loop.start(handle.curl)
        while not (ended := loop.poll(1)):
            pass
    assert handle.answer(*ended[0][1:]).error == "address_refused"
    assert server.connections == 0


def test_a_pin_of_one_host_does_not_outlive_its_request(server):
    hosts = {"one.test": LOOPBACK, "two.test": ["169.254.1.1"]}
    allowed = frozenset((host, server.port) for host in hosts)
    with transfers(allowed, lookup=hosts.__getitem__) as running:
        for host in hosts:
            running.add(host, replace(PLAIN, url=server.url(host=host)))
        found = answers(running)
    assert (found["one.test"].body, found["two.test"].error) == (b"in", "address_refused")


@pytest.mark.parametrize(
    "url",
    ["", "file:///etc/passwd", "http://u:p@127.0.0.1/", "http://[::1", "gopher://127.0.0.1/"],
)
def test_what_is_no_usable_url_is_a_bad_url(url):
    assert fetch(url).error == "bad_url"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_when_asked_for(server, status):
    server.replies["/a"] = redirect("/b?x=1", status)
    server.replies["/b"] = Reply(body=b"there")
    assert fetch(server.url("/a"), server.allowed, like=FOLLOWING).body == b"there"
    assert [request.path for request in server.received] == ["/a", "/b?x=1"]


def test_a_redirect_is_an_answer_when_none_may_be_followed(server):
    server.replies["/a"] = redirect("/b")
    answer = fetch(server.url("/a"), server.allowed)
    assert (answer.status, answer.error, answer.headers["location"]) == (302, None, "/b")
    assert server.hits("/b") == 0


def test_redirects_end_after_the_number_allowed(server):
    server.replies |= {f"/{n}": redirect(f"/{n + 1}") for n in range(4)}
    assert fetch(server.url("/1"), server.allowed, like=FOLLOWING).status == 404
    answer = fetch(server.url("/0"), server.allowed, like=FOLLOWING)
    assert (answer.status, answer.error) == (None, "too_many_redirects")


def test_a_redirect_to_a_refused_address_is_not_dialled(server):
    with LoopbackServer() as inner:
        server.replies["/a"] = redirect(inner.url("/secret"))
        answer = fetch(server.url("/a"), server.allowed, like=FOLLOWING)
    assert (answer.status, answer.error) == (None, "address_refused")
    assert inner.connections == 0


def test_a_redirect_to_a_name_is_looked_up_and_judged(server):
    server.replies["/a"] = redirect(f"http://inner.test:{server.port}/")
    answer = fetch(server.url("/a"), server.allowed, like=FOLLOWING, lookup=lambda _n: LOOPBACK)
    assert answer.error == "address_refused"
    assert server.hits("/") == 0


def test_a_redirect_away_from_http_is_a_bad_url(server):
    server.replies["/a"] = redirect("file:///etc/passwd")
    assert fetch(server.url("/a"), server.allowed, like=FOLLOWING).error == "bad_url"


def test_the_deadline_covers_all_hops_together(server):
    server.replies |= {f"/{n}": replace(redirect(f"/{n + 1}"), drip=0.1) for n in range(4)}
    like = replace(FOLLOWING, total_seconds=1.2)  # "elsewhere" drips for 0.9 s
    answer = fetch(server.url("/0"), server.allowed, like=like)
    assert answer.error == "timeout"
    assert server.hits("/2") == 0
    assert 1.1 < answer.seconds < 3


def test_only_the_final_answer_is_asked_whether_it_is_enough(server):
    statuses = []

    def enough(status, _headers, _body):
        statuses.append(status)
        return True

    server.replies["/a"] = redirect("/")
    like = replace(FOLLOWING, enough=enough)
    assert fetch(server.url("/a"), server.allowed, like=like).body == b"in"
    assert statuses == [200]

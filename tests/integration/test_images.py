import io
from contextlib import closing
from threading import Event, Thread

import pytest
from PIL import Image

from generation_service.clients.admission import Parking
from generation_service.clients.images import LOOK_AHEAD, ImageCheck, ImageProber
from generation_service.clients.resolver import Resolver
from generation_service.core.limits import MAX_IMAGE_BYTES
from tests.servers import LoopbackServer, Reply, redirect

REACHABLE = ImageCheck(reachable=True)
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 200


def unreachable(reason):
    return ImageCheck(reachable=False, reason=reason)


def gif(frames, size=64):
    pictures = [
        Image.effect_noise((size, size), 9.0 * n).convert("P") for n in range(1, frames + 1)
    ]
    file = io.BytesIO()
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:])
    return file.getvalue()


@pytest.fixture
def server():
    with LoopbackServer({"/ok.jpg": Reply(body=JPEG, ranged=True)}) as running:
        yield running


def verdict(server, reply):
    server.replies["/x"] = reply
    ((url, check),) = ImageProber(allowed_private=server.allowed).check([server.url("/x")])
    assert url == server.url("/x")
    return check


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
@pytest.mark.parametrize("ranged", [True, False])
def test_the_four_formats_are_reachable_with_and_without_ranges(server, kind, ranged):
    file = io.BytesIO()
    Image.new("RGB", (300, 200), "blue").save(file, kind)
    assert verdict(server, Reply(body=file.getvalue(), ranged=ranged)) == REACHABLE


def test_the_bytes_decide_and_not_the_header(server):
    lie = {"Content-Type": "image/jpeg"}
    assert verdict(server, Reply(body=b"<html>login</html>", headers=lie)) == unreachable(
        "not_an_image"
    )
    assert verdict(server, Reply(body=JPEG, headers={"Content-Type": "text/html"})) == REACHABLE


@pytest.mark.parametrize("reply", [Reply(), Reply(status=204), Reply(body=b"\xff\xd8")])
def test_an_empty_or_truncated_file_is_not_an_image(server, reply):
    assert verdict(server, reply) == unreachable("not_an_image")


@pytest.mark.parametrize("status", [403, 404, 410, 416, 500, 503])
def test_a_refusing_status_is_the_reason(server, status):
    reply = Reply(status=status, body=JPEG)
    assert verdict(server, reply) == unreachable(f"http_status_{status}")


def test_a_refusing_status_says_more_than_the_body_that_broke_off(server):
    raw = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nhalf"
    assert verdict(server, Reply(raw=raw)) == unreachable("http_status_403")


@pytest.mark.parametrize("ranged", [True, False])
@pytest.mark.parametrize("size", [64, 120])
def test_a_moving_gif_is_refused_though_its_second_frame_comes_late(server, ranged, size):
    moving = gif(2, size)
    assert len(moving) > 2 * 4096
    assert verdict(server, Reply(body=moving, ranged=ranged)) == unreachable("animated_gif")


def test_a_still_gif_is_reachable_however_large(server):
    assert verdict(server, Reply(body=gif(1, 400), ranged=True)) == REACHABLE
    assert server.hits("/x") == 2


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Range": f"bytes 0-4095/{MAX_IMAGE_BYTES + 1}"}, 206),
        ({"Content-Length": str(MAX_IMAGE_BYTES + 1)}, 200),
    ],
)
def test_a_file_that_says_it_is_over_10_mb_is_too_large(server, headers, status):
    reply = Reply(status=status, body=JPEG[:20_000], headers=headers)
    assert verdict(server, reply) == unreachable("too_large")


@pytest.mark.parametrize("total", [str(MAX_IMAGE_BYTES), "*"])
def test_10_mb_or_an_unknown_size_passes(server, total):
    headers = {"Content-Range": f"bytes 0-4095/{total}"}
    assert verdict(server, Reply(status=206, body=JPEG[:4096], headers=headers)) == REACHABLE


def test_only_the_first_bytes_of_an_endless_file_are_read(server):
    endless = Reply(body=JPEG * 100, drip=0.001)
    assert verdict(server, endless) == REACHABLE


def test_three_redirects_are_followed_and_a_fourth_is_not(server):
    server.replies |= {f"/{n}": redirect(f"/{n + 1}") for n in range(3)}
    server.replies["/3"] = redirect("/ok.jpg")
    assert verdict(server, redirect("/2")) == REACHABLE
    assert verdict(server, redirect("/0")) == unreachable("too_many_redirects")


def test_a_redirect_into_the_inside_is_refused(server):
    reply = redirect(f"http://127.0.0.1:{server.port + 1}/")
    assert verdict(server, reply) == unreachable("address_refused")


def test_faults_of_the_network_are_reasons(server):
    assert verdict(server, Reply(reset=True)) == unreachable("network_error")
    closed = list(
        ImageProber(allowed_private=frozenset()).check(["http://127.0.0.1:1/", "nonsense"])
    )
    assert dict(closed) == {
        "http://127.0.0.1:1/": unreachable("address_refused"),
        "nonsense": unreachable("bad_url"),
    }


def test_each_distinct_url_is_asked_for_once(server):
    urls = [server.url("/ok.jpg"), server.url("/ok.jpg?2")] * 5
    found = list(ImageProber(allowed_private=server.allowed).check(urls))
    assert sorted(found) == sorted((url, REACHABLE) for url in set(urls))
    assert len(server.received) == 2


def test_photos_and_error_pages_of_one_host_share_connections(server):
    urls = [server.url(f"/{name}?{n}") for n in range(10) for name in ("ok.jpg", "missing")]
    list(ImageProber(allowed_private=server.allowed, max_per_host=1).check(urls))
    assert (len(server.received), server.connections) == (20, 1)


def test_a_quick_photo_does_not_wait_for_a_slow_one(server):
    gate = Event()
    server.replies["/slow"] = Reply(body=JPEG, held=gate)
    urls = [server.url("/slow"), server.url("/ok.jpg")]
    checks = ImageProber(allowed_private=server.allowed).check(urls)
    assert next(checks) == (server.url("/ok.jpg"), REACHABLE)
    gate.set()
    assert next(checks) == (server.url("/slow"), REACHABLE)


def test_a_long_input_is_pulled_no_further_than_the_look_ahead(server):
    numbers = iter(range(LOOK_AHEAD * 2))
    urls = (server.url(f"/ok.jpg?{number}") for number in numbers)
    with closing(ImageProber(allowed_private=server.allowed).check(urls)) as checks:
        next(checks)
        assert next(numbers) == LOOK_AHEAD


def test_calls_from_several_threads_share_the_caps(server):
    gate = Event()
    server.replies["/held"] = Reply(body=JPEG, held=gate)
    prober = ImageProber(allowed_private=server.allowed, max_per_host=6)
    found: list[tuple[str, ImageCheck]] = []

    def run(caller):
        found.extend(prober.check(server.url(f"/held?{caller}.{n}") for n in range(6)))

    callers = [Thread(target=run, args=(caller,)) for caller in range(3)]
    for caller in callers:
        caller.start()
    server.wait_for_hits(6)
    gate.set()
    for caller in callers:
        caller.join()
    assert len(found) == 18
    assert server.most_at_once == 6


@pytest.fixture
def dead():
    with LoopbackServer() as closed:
        pass
    return closed


def test_a_dead_host_is_parked_and_the_impatient_are_told_at_once(dead):
    prober = ImageProber(allowed_private=dead.allowed, max_per_host=10)
    urls = [dead.url(f"/{n}") for n in range(100)]
    reasons = [check.reason for _url, check in prober.check(urls, patient=False)]
    assert 50 <= reasons.count("connect_failed") < 60
    assert reasons.count("host_parked") == 100 - reasons.count("connect_failed")


def test_photos_of_a_parked_host_wait_without_delaying_others_and_are_then_given_up(server, dead):
    now = [0.0]
    prober = ImageProber(
        allowed_private=server.allowed | dead.allowed,
        max_per_host=10,
        parking=Parking(lambda: now[0]),
    )
    urls = [dead.url(f"/{n}") for n in range(200)] + [server.url("/ok.jpg")]
    checks = prober.check(urls)
    first = [next(checks) for _ in range(51)]
    assert (server.url("/ok.jpg"), REACHABLE) in first
    now[0] = 60.0
    reasons = [check.reason for _url, check in checks]
    assert reasons.count("host_parked") >= 200 - 120
    assert set(reasons) == {"connect_failed", "host_parked"}


def test_it_stops_after_its_time_with_what_is_settled_by_then(server):
    server.replies["/never.jpg"] = Reply(hang=True)
    urls = [server.url("/never.jpg"), server.url("/ok.jpg")]
    checks = ImageProber(allowed_private=server.allowed).check(urls, seconds=0.5)
    assert dict(checks) == {server.url("/ok.jpg"): REACHABLE}


def test_slow_names_of_one_client_leave_the_photos_of_others_reachable(server):
    gate = Event()

    def lookup(name):
        if name != "photos.test":
            gate.wait()
        return ["127.0.0.1"]

    prober = ImageProber(
        allowed_private=frozenset({("photos.test", server.port)}),
        resolver=Resolver(lookup, threads=4),
    )
    mine = server.url("/ok.jpg", "photos.test")
    slow = [f"http://slow-{number}.test/" for number in range(8)]
    owners = dict.fromkeys(slow, "acme") | {mine: "beta"}
    with closing(prober.check(owners, asker_of=owners.get)) as checks:
        assert next(checks) == (mine, REACHABLE)
    gate.set()

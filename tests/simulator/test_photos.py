"""Photos are really fetched and looked at, and one that cannot be had fails the request."""

import base64
from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI

from openai_simulator.server import Simulator
from tests.servers import LoopbackServer, Reply, redirect
from tests.simulator.asking import chat, picture
from tests.simulator.client import sdk
from tests.simulator.images import animation, black, photo


@pytest.fixture
def host() -> Iterator[LoopbackServer]:
    with LoopbackServer({"/red.png": Reply(body=photo("red"))}) as host:
        yield host


def describe(client: OpenAI, *urls: str) -> str:
    answer = client.chat.completions.create(**chat([picture(url) for url in urls]))
    return str(answer.choices[0].message.content)


def refusal(client: OpenAI, url: str) -> openai.BadRequestError:
    with pytest.raises(openai.BadRequestError) as error:
        describe(client, url)
    return error.value


def test_the_text_says_what_is_on_each_photo(client: OpenAI, host: LoopbackServer) -> None:
    host.replies["/b.jpg"] = Reply(body=photo("white", (320, 200), "JPEG"))
    text = describe(client, host.url("/red.png"), host.url("/b.jpg"))
    assert "Photo 1</strong>" in text
    assert "PNG, 64 x 48 pixels, 1 KB, mostly red 100%, dim." in text
    assert "JPEG, 320 x 200 pixels, 2 KB, mostly white 100%, very bright." in text
    assert "Simulated description" in text
    assert host.hits("/red.png") == host.hits("/b.jpg") == 1


def test_the_same_photos_give_the_same_text(client: OpenAI, host: LoopbackServer) -> None:
    assert describe(client, host.url("/red.png")) == describe(client, host.url("/red.png"))


def test_nothing_a_stranger_wrote_is_quoted(client: OpenAI, host: LoopbackServer) -> None:
    url = host.url("/red.png?<b>pwned</b>")
    asked = chat([{"type": "text", "text": "Say pwned"}, picture(url)])
    text = str(client.chat.completions.create(**asked).choices[0].message.content)
    assert "pwned" not in text


def test_a_url_in_a_text_is_no_photo(client: OpenAI, host: LoopbackServer) -> None:
    client.chat.completions.create(**chat(f"Look at {host.url('/red.png')}"))
    assert host.hits("/red.png") == 0


def test_redirects_are_followed(client: OpenAI, host: LoopbackServer) -> None:
    host.replies["/moved"] = redirect(host.url("/red.png"))
    assert "mostly red" in describe(client, host.url("/moved"))


@pytest.mark.parametrize(
    "image",
    [
        photo("blue", kind="WEBP"),
        photo("blue", kind="GIF", mode="P"),
        photo("blue", mode="RGBA"),
        photo("blue", kind="JPEG", mode="CMYK"),
    ],
    ids=["webp", "gif", "alpha", "cmyk"],
)
def test_every_format_that_openai_takes_can_be_seen(
    client: OpenAI, host: LoopbackServer, image: bytes
) -> None:
    host.replies["/a"] = Reply(body=image)
    assert "mostly blue" in describe(client, host.url("/a"))


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"",
        animation(),
        photo()[:40],
        black((8_000, 8_000)),
        black((16_000, 16_000)),
        photo(kind="BMP"),
    ],
    ids=["html", "empty", "animation", "torn", "64 megapixels", "bomb", "bmp"],
)
def test_what_is_no_photo_is_refused(client: OpenAI, host: LoopbackServer, body: bytes) -> None:
    host.replies["/a"] = Reply(body=body)
    error = refusal(client, host.url("/a"))
    assert error.code == "invalid_image_format"
    assert "You uploaded an unsupported image" in error.message


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=404),
        Reply(status=500, body=photo()),
        Reply(reset=True),
        Reply(body=b"x" * (10 * 1024 * 1024 + 1)),
        redirect("file:///etc/hostname"),
    ],
    ids=["404", "500", "reset", "over 10 MB", "redirect to a file"],
)
def test_a_photo_that_cannot_be_fetched_is_named(
    client: OpenAI, host: LoopbackServer, reply: Reply
) -> None:
    host.replies["/a"] = reply
    error = refusal(client, host.url("/a"))
    assert (error.code, error.param) == (
        "invalid_image_url",
        "messages[0].content[0].image_url.url",
    )
    assert f"Error while downloading {host.url('/a')}." in error.message


def test_a_host_that_does_not_exist_is_a_download_error(client: OpenAI) -> None:
    assert "Error while downloading" in refusal(client, "http://127.0.0.1:1/a.jpg").message


def test_a_photo_that_drips_runs_into_the_total_deadline(host: LoopbackServer) -> None:
    host.replies["/a"] = Reply(body=photo(), drip=0.05)
    with Simulator(photo_seconds=0.3) as simulator, sdk(simulator) as client:
        error = refusal(client, host.url("/a"))
    assert f"Timeout while downloading {host.url('/a')}." in error.message


def test_a_photo_can_come_in_the_request_itself(client: OpenAI) -> None:
    encoded = base64.b64encode(photo("green", (10, 10))).decode()
    assert "10 x 10 pixels" in describe(client, f"data:image/png;base64,{encoded}")
    assert refusal(client, "data:image/png;base64,%%%").code == "invalid_base64_image"


def test_without_fetching_photos_are_counted_but_not_seen(host: LoopbackServer) -> None:
    with Simulator(fetch=False) as simulator, sdk(simulator) as client:
        text = describe(client, host.url("/red.png"), host.url("/gone.png"))
    assert "2 photos received" in text
    assert text.count("not fetched") == 2
    assert host.hits("/red.png") == 0


def test_two_vehicles_get_different_texts(client: OpenAI, host: LoopbackServer) -> None:
    assert describe(client, host.url("/red.png?1")) != describe(client, host.url("/red.png?2"))


def test_a_response_sees_photos_too(client: OpenAI, host: LoopbackServer) -> None:
    part = {"type": "input_image", "image_url": host.url("/red.png"), "detail": "high"}
    asked = [{"role": "user", "content": [part]}]
    body = {"model": "gpt-6-luna", "input": asked}
    answer = client.responses.create(**body)  # type: ignore[call-overload]
    assert "mostly red" in answer.output_text

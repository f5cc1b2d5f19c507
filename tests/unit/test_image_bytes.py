import io

import pytest
from PIL import Image

from generation_service.clients.image_bytes import is_animated, is_image


def picture(kind, **options):
    file = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(file, kind, **options)
    return file.getvalue()


def gif(frames, **options):
    pictures = [Image.effect_noise((64, 64), 10.0 * n).convert("P") for n in range(1, frames + 1)]
    file = io.BytesIO()
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_the_four_formats_are_recognised_by_their_first_bytes(kind):
    assert is_image(picture(kind)[:12])


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"<!DOCTYPE html>",
        b"<svg xmlns=",
        b"%PDF-1.7",
        b"BM6\x00",
        b"II*\x00",
        b"GIF88a",
        b"\x89PNG\r\n",
        b"RIFF\x24\x00\x00\x00WAVEfmt ",
        b"RIFF\x24\x00\x00\x00WEB",
        b"\x00\x00\x00\x20ftypavif",
    ],
)
def test_anything_else_is_no_image(head):
    assert not is_image(head)


def test_a_gif_of_one_frame_is_not_animated():
    assert is_animated(gif(1)) is False


def test_a_gif_of_one_frame_is_not_animated_though_it_announces_a_loop():
    looped = gif(1)
    header, rest = looped[:13], looped[13:]
    colours = 3 << ((header[10] & 7) + 1)
    loop = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
    assert is_animated(header + rest[:colours] + loop + rest[colours:]) is False


@pytest.mark.parametrize("options", [{}, {"loop": 0}])
def test_a_gif_of_two_frames_is_animated(options):
    assert is_animated(gif(2, **options)) is True


def test_a_loop_gives_an_animation_away_before_its_second_frame():
    assert is_animated(gif(3, loop=0)[:2000]) is True


def test_a_gif_that_breaks_off_in_its_first_frame_is_undecided():
    assert is_animated(gif(2)[:2000]) is None


def test_no_beginning_of_a_gif_is_judged_wrongly():
    still, moving = gif(1), gif(3, loop=0)
    assert all(is_animated(still[:cut]) in (None, False) for cut in range(len(still)))
    assert all(is_animated(moving[:cut]) in (None, True) for cut in range(len(moving)))

"""Small photos, as a photo host serves them."""

import io
from collections.abc import Mapping

from PIL import Image

from tests.servers import Reply

FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}


def photo(extension: str, colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(buffer, FORMATS[extension])
    return buffer.getvalue()


def photo_replies(count: int = 12) -> Mapping[str, Reply]:
    """`/1.jpg`, `/2.png`, `/3.webp`, `/4.jpg` and so on, each of its own colour."""
    replies = {}
    for number in range(1, count + 1):
        extension = list(FORMATS)[(number - 1) % len(FORMATS)]
        colour = (number * 20 % 256, 255 - number * 20 % 256, number * 60 % 256)
        replies[f"/{number}.{extension}"] = Reply(
            body=photo(extension, colour),
            headers={"Content-Type": f"image/{extension}"},
            ranged=True,
        )
    return replies

"""The text for a request with photos: what was seen of them, and nothing that was not."""

import hashlib
from collections.abc import Sequence
from typing import Final

from openai_simulator.conversation import Photo
from openai_simulator.photos import Look, Looks

NO_PHOTOS: Final = "<p><strong>Simulated description.</strong> I saw no photo in this request.</p>"
_BRIGHTNESS: Final = ((20, "dark"), (45, "dim"), (70, "bright"), (101, "very bright"))


def describe(photos: Sequence[Photo], looks: Looks) -> str:
    """HTML of p, strong, ul and li. Nothing a stranger wrote is quoted: not even a URL.

    Each photo has a reference, made from its URL, so that no two vehicles get the same text.
    """
    pairs = enumerate(zip(photos, looks, strict=True), 1)
    items = "".join(_item(number, photo, look) for number, (photo, look) in pairs)
    noun = "photo" if len(photos) == 1 else "photos"
    return (
        f"<p><strong>Simulated description.</strong> {len(photos)} {noun} received; "
        f"no damage was judged.</p><ul>{items}</ul>"
    )


def _item(number: int, photo: Photo, look: Look | None) -> str:
    reference = hashlib.sha256(photo.url.encode()).hexdigest()[:8]
    seen = "not fetched" if look is None else _words(look)
    return f"<li><strong>Photo {number}</strong> (ref {reference}): {seen}.</li>"


def _words(look: Look) -> str:
    width, height = look.size
    kilobytes = max(1, round(look.byte_count / 1024))
    mostly = ", ".join(f"{name} {percent}%" for name, percent in look.colours.shares)
    light = next(word for limit, word in _BRIGHTNESS if look.colours.brightness < limit)
    return (
        f"{look.format}, {width} x {height} pixels, {kilobytes} KB, "
        f"mostly {mostly or 'mixed colours'}, {light}"
    )

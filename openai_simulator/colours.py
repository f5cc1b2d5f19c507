"""The main colours of a photo, by name, and how bright it is."""

from dataclasses import dataclass
from typing import Final

from PIL import Image

_PALETTE: Final = {
    "black": (16, 16, 16),
    "grey": (112, 112, 112),
    "silver": (184, 184, 184),
    "white": (244, 244, 244),
    "red": (200, 30, 30),
    "orange": (235, 130, 30),
    "yellow": (235, 215, 50),
    "green": (50, 150, 60),
    "turquoise": (50, 185, 180),
    "blue": (40, 80, 200),
    "purple": (130, 50, 160),
    "brown": (110, 70, 40),
}
_NOTABLE_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Colours:
    """`shares` are the (name, percent) of the notable colours, the largest first."""

    shares: tuple[tuple[str, int], ...]
    brightness: int


def colours_of(image: Image.Image) -> Colours:
    mode = "RGBA" if "transparency" in image.info else "RGB"
    small = image.convert(mode).resize((32, 32), Image.Resampling.BOX).convert("RGB")
    painted = small.quantize(palette=_palette_image(), dither=Image.Dither.NONE)
    pixels = small.width * small.height
    counts = sorted(painted.getcolors() or [], key=lambda pair: (-pair[0], str(pair[1])))
    notable = [
        (_name(index), round(100 * count / pixels))
        for count, index in counts
        if count >= _NOTABLE_SHARE * pixels
    ]
    grey = small.convert("L").histogram()
    mean = sum(level * count for level, count in enumerate(grey)) / pixels
    return Colours(tuple(notable[:3]), round(100 * mean / 255))


def _name(index: object) -> str:
    return list(_PALETTE)[int(str(index))]


def _palette_image() -> Image.Image:
    palette = Image.new("P", (1, 1))
    palette.putpalette([level for colour in _PALETTE.values() for level in colour])
    return palette

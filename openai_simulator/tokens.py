"""Token counts as OpenAI's guides describe them: 32-pixel patches, four characters a token."""

import math
from typing import Final

PATCH: Final = 32
PATCH_MULTIPLIER: Final = 1.2
PATCH_CAPS: Final = {"low": 256, "high": 2_500}
UNSEEN_SIZE: Final = (1024, 768)
CHARACTERS_A_TOKEN: Final = 4
REASONING_TOKENS: Final = {
    None: 192,
    "none": 0,
    "minimal": 16,
    "low": 64,
    "medium": 192,
    "high": 384,
    "xhigh": 768,
    "max": 1_536,
}


def text_tokens(text: str) -> int:
    return math.ceil(len(text) / CHARACTERS_A_TOKEN)


def image_tokens(size: tuple[int, int] | None, detail: str) -> int:
    """Tokens of a photo of `size` pixels; None stands for a photo nobody has looked at.

    `auto` and `original` do not shrink on current models.
    """
    width, height = size or UNSEEN_SIZE
    cap = PATCH_CAPS.get(detail)
    scale = _scale(width, height, cap)
    patches = _patches(width * scale) * _patches(height * scale)
    return math.ceil(min(patches, cap or patches) * PATCH_MULTIPLIER)


def _scale(width: int, height: int, cap: int | None) -> float:
    """How far OpenAI shrinks a photo, so that whole patches fit under `cap`."""
    if cap is None or _patches(width) * _patches(height) <= cap:
        return 1.0
    scale = math.sqrt(PATCH**2 * cap / (width * height))
    columns, rows = width * scale / PATCH, height * scale / PATCH
    return min(1.0, scale * min(_whole(columns) / columns, _whole(rows) / rows))


def _whole(patches: float) -> int:
    return max(1, math.floor(patches))


def _patches(pixels: float) -> int:
    return max(1, math.ceil(round(pixels / PATCH, 6)))

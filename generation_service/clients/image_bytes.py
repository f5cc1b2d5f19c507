"""What the first bytes of a file say about it; nothing is ever decoded."""

from dataclasses import dataclass
from typing import Final

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG: Final = b"\xff\xd8\xff"
_GIF: Final = (b"GIF87a", b"GIF89a")
SIGNATURE_BYTES: Final = 12  # WebP's is the longest: RIFF, four bytes of length, WEBP

# GIF89a specification, §17-26
_SCREEN_BYTES: Final = 13
_DESCRIPTOR_BYTES: Final = 10
_EXTENSION: Final = 0x21
_IMAGE: Final = 0x2C
_APPLICATION: Final = 0xFF
_HAS_COLOURS: Final = 0x80
_LOOPS: Final = (b"NETSCAPE2.0", b"ANIMEXTS1.0")


def is_image(head: bytes) -> bool:
    """PNG, JPEG, WebP or GIF: what OpenAI's vision guide takes."""
    is_webp = head.startswith(b"RIFF") and head[8:12] == b"WEBP"
    return is_webp or is_gif(head) or head.startswith((_PNG, _JPEG))


def is_gif(head: bytes) -> bool:
    return head.startswith(_GIF)


@dataclass(slots=True)
class _Seen:
    frames: int = 0
    loops: bool = False


def is_animated(head: bytes) -> bool | None:
    """Whether the GIF that begins so moves; None when `head` breaks off before that is known.

    Two frames make an animation. A file that only announces a loop is one as soon as its first
    frame has begun, for the second may be far away.
    """
    seen = _Seen()
    try:
        has_ended = _walk(head, seen)
    except IndexError:
        has_ended = False
    if seen.frames > 1:
        return True
    if has_ended:
        return False
    return True if seen.loops and seen.frames else None


def _walk(head: bytes, seen: _Seen) -> bool:
    """Count frames block by block; IndexError where `head` breaks off."""
    at = _SCREEN_BYTES + _colour_bytes(head[10])
    while seen.frames <= 1:
        if head[at] == _IMAGE:
            seen.frames += 1
            colours = _colour_bytes(head[at + _DESCRIPTOR_BYTES - 1])
            at = _after_blocks(head, at + _DESCRIPTOR_BYTES + colours + 1)
        elif head[at] == _EXTENSION:
            is_application = head[at + 1] == _APPLICATION
            seen.loops |= is_application and head[at + 3 : at + 14] in _LOOPS
            at = _after_blocks(head, at + 2)
        else:  # the trailer, or rubbish, which no decoder reads past
            return True
    return True


def _colour_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & _HAS_COLOURS else 0


def _after_blocks(head: bytes, at: int) -> int:
    while head[at]:
        at += head[at] + 1
    return at + 1

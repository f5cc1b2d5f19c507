"""Fetching photos as OpenAI does, and looking at them.

A photo that cannot be had fails the whole request, with the words OpenAI uses for it.
"""

import base64
import binascii
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Final

import pycurl
from PIL import Image

from openai_simulator.colours import Colours, colours_of
from openai_simulator.conversation import Photo
from openai_simulator.errors import ApiError, invalid

MAX_BYTES: Final = 10 * 1024 * 1024
MAX_REDIRECTS: Final = 5
WEB: Final = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
MAX_PIXELS: Final = 50_000_000
AT_ONCE: Final = 32
DECODED_AT_ONCE: Final = 4
FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF")
_UNREADABLE: Final = (
    OSError,
    ValueError,
    SyntaxError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,  # raised where warnings are errors
)
_SUCCESS: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class Look:
    """What can be seen of a photo: its format, size in pixels and bytes, and colours."""

    format: str
    size: tuple[int, int]
    byte_count: int
    colours: Colours


Looks = Sequence[Look | None]


class Eyes:
    """Looks at photos, at most 32 at once, each fetched within `seconds` in all.

    With `fetch` off, photos behind URLs stay unseen.
    """

    def __init__(self, *, fetch: bool, seconds: float) -> None:
        self._fetch = fetch
        self._seconds = seconds
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="photo")
        self._decoding = BoundedSemaphore(DECODED_AT_ONCE)  # an unpacked photo takes 50 MB

    def look(self, photos: Sequence[Photo]) -> Looks:
        if not photos or not (self._fetch or any(_is_data(photo) for photo in photos)):
            return [None] * len(photos)
        return list(self._pool.map(self._look, photos))

    def _look(self, photo: Photo) -> Look | None:
        if not (self._fetch or _is_data(photo)):
            return None
        content = _decoded(photo) if _is_data(photo) else fetched(photo, self._seconds)
        with self._decoding:
            return examine(content, photo)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _is_data(photo: Photo) -> bool:
    return photo.url[:5].lower() == "data:"


def _decoded(photo: Photo) -> bytes:
    try:
        return base64.b64decode(photo.url.partition(",")[2], validate=True)
    except binascii.Error as error:
        words = "Invalid base64 image data."
        raise invalid(words, code="invalid_base64_image", param=photo.param) from error


def fetched(photo: Photo, seconds: float) -> bytes:
    """The bytes behind the URL, or the 400 that OpenAI gives when it cannot download them."""
    received = io.BytesIO()
    curl = pycurl.Curl()
    try:
        _prepare(curl, photo.url, received)
        curl.setopt(pycurl.TIMEOUT_MS, int(seconds * 1000))
        curl.perform()
        status = curl.getinfo(pycurl.RESPONSE_CODE)
    except pycurl.error as error:
        timed_out = error.args[0] == pycurl.E_OPERATION_TIMEDOUT
        raise _download_error(photo, "Timeout" if timed_out else "Error") from error
    finally:
        curl.close()
    if status not in _SUCCESS:
        raise _download_error(photo)
    return received.getvalue()


def _prepare(curl: pycurl.Curl, url: str, received: io.BytesIO) -> None:
    curl.setopt(pycurl.URL, url.encode())
    curl.setopt(pycurl.PROTOCOLS, WEB)
    curl.setopt(pycurl.REDIR_PROTOCOLS, WEB)
    curl.setopt(pycurl.FOLLOWLOCATION, 1)
    curl.setopt(pycurl.MAXREDIRS, MAX_REDIRECTS)
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.NOPROXY, "*")
    curl.setopt(pycurl.USERAGENT, "openai-simulator")
    curl.setopt(pycurl.WRITEFUNCTION, _limited(received))


def _limited(received: io.BytesIO) -> Callable[[bytes], int]:
    def write(chunk: bytes) -> int:
        if received.tell() + len(chunk) > MAX_BYTES:
            return -1  # makes curl give up
        return received.write(chunk)

    return write


def _download_error(photo: Photo, what: str = "Error") -> ApiError:
    words = f"{what} while downloading {photo.url}."
    return invalid(words, code="invalid_image_url", param=photo.param)


def examine(content: bytes, photo: Photo) -> Look:
    """Look at image bytes; what is no PNG, JPEG, WebP or still GIF is a 400."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            return _seen(image, len(content))
    except _UNREADABLE as error:
        raise _unsupported(photo) from error


def _seen(image: Image.Image, byte_count: int) -> Look:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ValueError("too many pixels")
    if getattr(image, "is_animated", False):
        raise ValueError("an animation")
    seen_format = image.format or ""
    image.draft("RGB", (64, 64))
    return Look(seen_format, (width, height), byte_count, colours_of(image))


def _unsupported(photo: Photo) -> ApiError:
    words = (
        "You uploaded an unsupported image. Please make sure your image has of one the following "
        "formats: ['png', 'jpeg', 'gif', 'webp']."
    )
    return invalid(words, code="invalid_image_format", param=photo.param)

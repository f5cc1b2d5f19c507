"""What people call the codes that are kept of jobs, photos and OpenAI batches."""

from functools import lru_cache
from typing import Final

from generation_service.core.languages import UnknownLanguageError, english_name
from generation_service.core.limits import MAX_IMAGE_BYTES, MIB

_PHOTO_FAULTS: Final = {
    "address_refused": "its address is not a public one",
    "animated_gif": "it is an animated GIF",
    "bad_url": "its address is no valid URL",
    "connect_failed": "its host took no connection",
    "dns_failed": "the name of its host has no address",
    "host_parked": "its host had not answered too often",
    "network_error": "the connection broke off",
    "not_an_image": "it is no PNG, JPEG, WebP or GIF",
    "openai_download_failed": "OpenAI could not download it",
    "timeout": "its host did not answer in time",
    "tls_failed": "its host has no valid certificate",
    "too_large": f"it is larger than {MAX_IMAGE_BYTES // MIB} MB",
    "too_many_redirects": "it is redirected too often",
}
_STATUS: Final = "http_status_"


def photo_fault(code: str | None) -> str:
    """Why a photo is missing, in words; `code` is one of images.ImageCheck."""
    if code and code.startswith(_STATUS):
        return f"its host answered {code.removeprefix(_STATUS)}"
    return _PHOTO_FAULTS.get(code or "", "it could not be fetched")


@lru_cache(maxsize=1024)
def language_name(tag: str) -> str:
    """`Russian (ru)`; a tag that nobody knows is its own name."""
    try:
        return f"{english_name(tag)} ({tag})"
    except UnknownLanguageError:
        return tag


def is_web(url: str) -> bool:
    """Whether a browser may be sent there: clients' URLs are checked, but never trusted."""
    return url.lower().startswith(("http://", "https://"))

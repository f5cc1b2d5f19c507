"""What a lot must look like (docs/api.md §3), and a quick way to see that it does.

Marshmallow takes 5 s for 50,000 lots. So each lot is first shown to `plain_lot`, which needs 0.2 s
for all of them and says either "this is a lot" or "I doubt it". What it doubts goes to
schemas.LotSchema, which has the last word and the messages. Both rest on the rules of this module.
"""

import re
from typing import Final

from generation_service.core.limits import (
    MAX_ADDITIONAL_INFO_CHARS,
    MAX_IMAGES_PER_LOT,
    MAX_LOT_ID_CHARS,
    MAX_URL_CHARS,
)
from generation_service.core.lots import Lot

_HTTP_URL: Final = re.compile(r"https?://[^\s/?#]", re.IGNORECASE)


def is_url(text: str) -> bool:
    """Whether it is an http or https URL that names a host, without control characters."""
    return len(text) <= MAX_URL_CHARS and _HTTP_URL.match(text) is not None and text.isprintable()


def is_lot_id(text: str) -> bool:
    """Whether it is 1 to 128 printable characters with no space at either end."""
    return 0 < len(text) <= MAX_LOT_ID_CHARS and text.isprintable() and text.strip() == text


def plain_lot(raw: object) -> Lot | None:
    """The lot, when it is plainly right; None when the schema must judge."""
    if not isinstance(raw, dict):
        return None
    lot_id, info, webhook = raw.get("lot_id"), raw.get("additional_info"), raw.get("webhook")
    urls = _image_urls(raw.get("images"))
    if not isinstance(lot_id, str) or not is_lot_id(lot_id) or not urls:
        return None
    if not _is_additional_info(info) or not _is_webhook(webhook):
        return None
    return Lot(lot_id=lot_id, image_urls=urls, additional_info=info, webhook_url=webhook)


def _image_urls(images: object) -> tuple[str, ...]:
    """The URLs of a plainly right `images` list; empty when in doubt."""
    if not isinstance(images, list) or len(images) > MAX_IMAGES_PER_LOT:
        return ()
    urls = [image.get("url") if isinstance(image, dict) else None for image in images]
    good = [url for url in urls if isinstance(url, str) and is_url(url)]
    return tuple(good) if len(good) == len(urls) else ()


def _is_additional_info(value: object) -> bool:
    return value is None or (isinstance(value, str) and len(value) <= MAX_ADDITIONAL_INFO_CHARS)


def _is_webhook(value: object) -> bool:
    return value is None or (isinstance(value, str) and is_url(value))

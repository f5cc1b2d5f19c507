"""The shape of request bodies (docs/api.md §3 and §4), field by field, with the messages.

Lots are checked one by one (api/intake.py), so that no body is held as a whole.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load
from marshmallow.validate import Length

from generation_service.api.lot_rules import is_lot_id, is_url
from generation_service.core.limits import (
    MAX_ADDITIONAL_INFO_CHARS,
    MAX_COST_USD,
    MAX_IMAGES_PER_LOT,
    MAX_LANGUAGES,
    MAX_LOT_ID_CHARS,
    MAX_METADATA_KEY_CHARS,
    MAX_METADATA_PAIRS,
    MAX_METADATA_VALUE_CHARS,
    MAX_URL_CHARS,
    MAX_VALIDATION_URLS,
)
from generation_service.core.lots import Lot

_WHOLE: Final = "_schema"  # marshmallow's key for errors of an object as a whole
_VERSION: Final = re.compile(r"1\.[0-9]{1,9}\.[0-9]{1,9}")


def _rule(test: Callable[[str], bool], message: str) -> Callable[[str], None]:
    def check(text: str) -> None:
        if not test(text):
            raise ValidationError(message)

    return check


def _count(most: int, things: str) -> Length:
    return Length(1, most, error=f"Must be 1 to {most} {things}.")


_url = _rule(
    is_url,
    f"Must be an http or https URL of at most {MAX_URL_CHARS:,} characters, "
    "without control characters.",
)
_lot_id = _rule(
    is_lot_id,
    f"Must be 1 to {MAX_LOT_ID_CHARS} printable characters, without spaces at either end.",
)


class _Body(Schema):
    class Meta:
        unknown = EXCLUDE


class JsonList(fields.List[Any]):
    """A JSON array and nothing else: marshmallow's own List reads an object as its keys."""

    def _deserialize(self, value: object, *args: Any, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        return super()._deserialize(value, *args, **kwargs)


class ImageSchema(_Body):
    url = fields.String(required=True, validate=_url)


class LotSchema(_Body):
    lot_id = fields.String(required=True, validate=_lot_id)
    additional_info = fields.String(
        load_default=None, allow_none=True, validate=Length(max=MAX_ADDITIONAL_INFO_CHARS)
    )
    images = JsonList(
        fields.Nested(ImageSchema), required=True, validate=_count(MAX_IMAGES_PER_LOT, "images")
    )
    webhook = fields.String(load_default=None, allow_none=True, validate=_url)

    @post_load
    def lot(self, values: Mapping[str, Any], **_options: object) -> Lot:
        return Lot(
            lot_id=values["lot_id"],
            image_urls=tuple(image["url"] for image in values["images"]),
            additional_info=values["additional_info"],
            webhook_url=values["webhook"],
        )


class MetadataField(fields.Field[dict[str, str]]):
    def _deserialize(self, value: object, *_args: object, **_options: object) -> dict[str, str]:
        if not isinstance(value, dict) or len(value) > MAX_METADATA_PAIRS:
            raise ValidationError(f"Must be an object of at most {MAX_METADATA_PAIRS} pairs.")
        if not all(_is_pair(key, text) for key, text in value.items()):
            raise ValidationError(
                f"Keys may have {MAX_METADATA_KEY_CHARS} characters; values must be strings of at "
                f"most {MAX_METADATA_VALUE_CHARS}."
            )
        return value


def _is_pair(key: str, value: object) -> bool:
    short = len(key) <= MAX_METADATA_KEY_CHARS
    return short and isinstance(value, str) and len(value) <= MAX_METADATA_VALUE_CHARS


class DollarsField(fields.Field[float]):
    """A number above zero: marshmallow's own numbers take text and true, too."""

    def _deserialize(self, value: object, *_args: object, **_options: object) -> float:
        if isinstance(value, int | float) and value is not True and 0 < value <= MAX_COST_USD:
            return value
        raise ValidationError(f"Must be a number of US dollars above 0, at most {MAX_COST_USD:,}.")


class GenerationSchema(_Body):
    version = fields.String(
        required=True,
        validate=_rule(
            lambda text: _VERSION.fullmatch(text) is not None,
            'Must be a version of the major version 1, such as "1.0.0".',
        ),
    )
    languages = JsonList(
        fields.String(), required=True, validate=_count(MAX_LANGUAGES, "languages")
    )
    metadata = MetadataField(load_default=None, allow_none=True)
    max_cost_usd = DollarsField(load_default=None, allow_none=True)


class ValidationSchema(_Body):
    """The body of test-image-validation; what is no URL at all is reported as unreachable."""

    urls = JsonList(
        fields.String(validate=Length(1, MAX_URL_CHARS)),
        required=True,
        validate=_count(MAX_VALIDATION_URLS, "URLs"),
    )


def flatten(messages: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Turn marshmallow's nested messages into pairs such as ("lots[3].images[0].url", "…")."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from flatten(inner, _joined(path, key))
    elif isinstance(messages, list):
        for inner in messages:
            yield from flatten(inner, path)
    else:
        yield path, str(messages)


def _joined(path: str, key: str | int) -> str:
    if key == _WHOLE:
        return path
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key

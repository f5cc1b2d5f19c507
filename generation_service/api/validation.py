"""From a JSON object to what the pipeline is asked for, or a 400 that says what to mend."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from marshmallow import Schema, ValidationError

from generation_service.api.schemas import GenerationSchema, ValidationSchema
from generation_service.clients.addresses import literal_refusal
from generation_service.core.errors import ServiceError
from generation_service.core.languages import UnknownLanguageError, parse_languages, translations
from generation_service.core.limits import (
    MAX_SYNC_IMAGES,
    MAX_SYNC_TRANSLATIONS,
    MAX_WEBHOOK_URLS,
)
from generation_service.core.lots import GenerationRequest, Lot

Details = Sequence[tuple[str, str]]

_WHOLE: Final = "_schema"  # marshmallow's key for errors of an object as a whole


def invalid(details: Details, code: str = "invalid_request") -> ServiceError:
    """A 400 whose message is the first of its details."""
    path, message = details[0]
    return ServiceError(code, f"{path}: {message}", details=details)


def generation_request(
    body: Mapping[str, object],
    *,
    max_descriptions: int,
    allowed_private: frozenset[tuple[str, int]],
) -> GenerationRequest:
    """Check a body for POST /generate-descriptions; raises ServiceError with all details."""
    fields = _load(GenerationSchema(), body)
    request = GenerationRequest(
        version=fields["version"],
        languages=_languages(fields["languages"]),
        lots=fields["lots"],
        metadata=fields["metadata"],
    )
    faults = [
        *_webhook_faults(request.lots, allowed_private),
        *(_sync_faults(request) if len(request.lots) == 1 else ()),
        *_size_faults(request, max_descriptions),
    ]
    if faults:
        raise invalid(faults)
    return request


def validation_urls(body: Mapping[str, object]) -> list[str]:
    """Check a body for POST /test-image-validation."""
    urls: list[str] = _load(ValidationSchema(), body)["urls"]
    return urls


def _load(schema: Schema, body: Mapping[str, object]) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(body)
    except ValidationError as error:
        raise invalid(list(flatten(error.messages))) from None
    return loaded


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


def _languages(tags: Sequence[str]) -> tuple[str, ...]:
    try:
        return parse_languages(tags)
    except UnknownLanguageError:
        raise invalid(list(_unknown(tags)), "unknown_language") from None


def _unknown(tags: Sequence[str]) -> Iterator[tuple[str, str]]:
    for position, tag in enumerate(tags):
        try:
            parse_languages([tag])
        except UnknownLanguageError as error:
            yield f"languages[{position}]", str(error)


def _webhook_faults(
    lots: Sequence[Lot], allowed_private: frozenset[tuple[str, int]]
) -> Iterator[tuple[str, str]]:
    first_use: dict[str, int] = {}
    for position, lot in enumerate(lots):
        if lot.webhook_url is not None:
            first_use.setdefault(lot.webhook_url, position)
    if len(first_use) > MAX_WEBHOOK_URLS:
        yield "lots", f"Name {len(first_use)} distinct webhooks; at most {MAX_WEBHOOK_URLS}."
        return
    for url, position in first_use.items():
        if refusal := literal_refusal(url, allowed_private):
            yield f"lots[{position}].webhook", refusal


def _sync_faults(request: GenerationRequest) -> Iterator[tuple[str, str]]:
    """What one lot, answered in the same request, may not ask for."""
    images = len(request.lots[0].image_urls)
    if images > MAX_SYNC_IMAGES:
        message = f"A single lot may have {MAX_SYNC_IMAGES} images; this one has {images}."
        yield "lots[0].images", message
    wanted = len(translations(request.languages))
    if wanted > MAX_SYNC_TRANSLATIONS:
        message = (
            f"A single lot may ask for {MAX_SYNC_TRANSLATIONS} languages besides English; "
            f"this one asks for {wanted}."
        )
        yield "languages", message


def _size_faults(request: GenerationRequest, max_descriptions: int) -> Iterator[tuple[str, str]]:
    descriptions = len(request.lots) * len(request.languages)
    if descriptions > max_descriptions:
        message = (
            f"{len(request.lots):,} lots in {len(request.languages)} languages are "
            f"{descriptions:,} descriptions; a job may have {max_descriptions:,}."
        )
        yield "lots", message

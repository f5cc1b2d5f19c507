"""From a JSON object to what the pipeline is asked for, or a 400 that says what to mend."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from marshmallow import Schema, ValidationError

from generation_service.api.intake import Order
from generation_service.api.schemas import GenerationSchema, ValidationSchema, flatten
from generation_service.clients.addresses import literal_refusal
from generation_service.core.errors import ServiceError
from generation_service.core.languages import UnknownLanguageError, parse_languages, translations
from generation_service.core.limits import (
    MAX_SYNC_IMAGES,
    MAX_SYNC_TRANSLATIONS,
    MAX_WEBHOOK_URLS,
)
from generation_service.core.lots import GenerationRequest

Details = Sequence[tuple[str, str]]


def invalid(details: Details, code: str = "invalid_request", *, more: int = 0) -> ServiceError:
    """A 400 whose message is the first of its details; `more` others are only counted."""
    path, message = details[0]
    return ServiceError(code, f"{path}: {message}", details=details, more=more)


def generation_request(
    order: Order, *, max_descriptions: int, allowed_private: frozenset[tuple[str, int]]
) -> GenerationRequest:
    """Check an order; raises ServiceError with the first details."""
    fields = _members(order)
    request = GenerationRequest(
        version=fields["version"],
        languages=_languages(fields["languages"]),
        lots=order.lots.spool,
        metadata=fields["metadata"],
        max_cost_usd=fields["max_cost_usd"],
    )
    faults = [
        *_webhook_faults(order.lots.webhooks, allowed_private),
        *(_sync_faults(request) if len(request.lots) == 1 else ()),
        *_size_faults(request, max_descriptions),
    ]
    if faults:
        raise invalid(faults)
    return request


def _members(order: Order) -> dict[str, Any]:
    """The members but for the lots; raises ServiceError for the lots' faults, too."""
    in_lots, more = order.lots.faults()
    try:
        members: dict[str, Any] = GenerationSchema().load(order.members)
    except ValidationError as error:
        raise invalid([*flatten(error.messages), *in_lots], more=more) from None
    if in_lots:
        raise invalid(in_lots, more=more)
    return members


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
    webhooks: Mapping[str, int], allowed_private: frozenset[tuple[str, int]]
) -> Iterator[tuple[str, str]]:
    if len(webhooks) > MAX_WEBHOOK_URLS:
        yield "lots", f"At most {MAX_WEBHOOK_URLS} distinct webhooks may be named."
        return
    for url, position in webhooks.items():
        if refusal := literal_refusal(url, allowed_private):
            yield f"lots[{position}].webhook", refusal


def _sync_faults(request: GenerationRequest) -> Iterator[tuple[str, str]]:
    """What one lot, answered in the same request, may not ask for."""
    images = len(request.lots.first.image_urls)
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

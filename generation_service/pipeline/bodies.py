"""The two questions asked of OpenAI, the same for one lot and for batches."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from generation_service.core.limits import (
    LARGER_FACTOR,
    TRANSLATION_MAX_TOKENS,
    VISION_MAX_TOKENS,
)
from generation_service.core.prompts import translation_body, vision_body
from generation_service.core.status import Kind
from generation_service.db.requests import RequestRow

if TYPE_CHECKING:
    from config import Config


def vision(
    settings: "Config", image_urls: Sequence[str], additional_info: str | None, *, larger: bool
) -> dict[str, object]:
    """Ask for the English description; `larger` after an answer that was cut off."""
    return vision_body(
        model=settings.vision_model,
        reasoning_effort=settings.vision_reasoning_effort,
        detail=settings.image_detail,
        image_urls=image_urls,
        additional_info=additional_info,
        max_completion_tokens=VISION_MAX_TOKENS * (LARGER_FACTOR if larger else 1),
    )


def translation(
    settings: "Config", english: str, language: str, *, larger: bool
) -> dict[str, object]:
    return translation_body(
        model=settings.translation_model,
        reasoning_effort=settings.translation_reasoning_effort,
        english=english,
        language=language,
        max_completion_tokens=TRANSLATION_MAX_TOKENS * (LARGER_FACTOR if larger else 1),
    )


def of_request(settings: "Config", kind: Kind, row: RequestRow) -> dict[str, object]:
    """The question of a job's request."""
    if kind is Kind.VISION:
        return vision(settings, row.image_urls, row.additional_info, larger=row.larger)
    return translation(settings, row.english or "", row.language, larger=row.larger)

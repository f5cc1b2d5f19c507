"""One lot's descriptions: what a client is answered, and what a repetition starts from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generation_service.core.languages import is_source
from generation_service.core.lots import GenerationRequest
from generation_service.core.results import LanguageResult, error_document


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """The source text, and each asked-for translation: its text, or why there is none."""

    english: str
    missing_images: Sequence[str]
    translations: Mapping[str, LanguageResult]

    @property
    def complete(self) -> bool:
        return all(result.error is None for result in self.translations.values())


def document(request: GenerationRequest, described: Described) -> dict[str, object]:
    """The answer for clients (docs/api.md §3); `failed_languages` only if any."""
    results = [
        LanguageResult(language, described.english)
        if is_source(language)
        else described.translations[language]
        for language in request.languages
    ]
    lot: dict[str, object] = {
        "lot_id": request.lots.first.lot_id,
        "descriptions": [
            {"language": result.language, "damages": result.damages}
            for result in results
            if result.damages is not None
        ],
        "missing_images": list(described.missing_images),
    }
    failed = [
        {"language": result.language, "error": error_document(result.error)}
        for result in results
        if result.error is not None
    ]
    if failed:
        lot["failed_languages"] = failed
    return {"version": request.version, "lots": [lot]}


def unfinished(described: Described) -> dict[str, object]:
    """What is paid for, as JSON: English too, which the client may not have asked for."""
    return {
        "english": described.english,
        "missing_images": list(described.missing_images),
        "translations": {
            language: result.damages
            for language, result in described.translations.items()
            if result.damages is not None
        },
    }


def from_unfinished(kept: Mapping[str, Any]) -> Described:
    """Read what `unfinished` wrote."""
    return Described(
        english=kept["english"],
        missing_images=kept["missing_images"],
        translations={
            language: LanguageResult(language, damages)
            for language, damages in kept["translations"].items()
        },
    )

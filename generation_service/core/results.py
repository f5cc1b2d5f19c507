"""A lot's outcome as clients read it: the same document in results, downloads and webhooks."""

from collections.abc import Sequence
from dataclasses import dataclass

from generation_service.core.status import LotStatus


@dataclass(frozen=True, slots=True)
class LotError:
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class LanguageResult:
    """One asked-for language of a lot: its HTML, or the reason there is none."""

    language: str
    damages: str | None
    error: LotError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LotResult:
    """`languages` holds the asked-for languages that are settled, in the client's order."""

    position: int
    lot_id: str
    status: LotStatus
    error: LotError | None
    missing_images: Sequence[str]
    languages: Sequence[LanguageResult]


def lot_document(lot: LotResult) -> dict[str, object]:
    """The JSON object of one lot (docs/api.md §5); `error` and `failed_languages` only if any."""
    document: dict[str, object] = {
        "lot_id": lot.lot_id,
        "status": lot.status.value,
        "descriptions": [
            {"language": entry.language, "damages": entry.damages}
            for entry in lot.languages
            if entry.damages is not None
        ],
        "missing_images": list(lot.missing_images),
    }
    failed = [
        {"language": entry.language, "error": error_document(entry.error)}
        for entry in lot.languages
        if entry.error is not None
    ]
    if failed:
        document["failed_languages"] = failed
    if lot.error is not None:
        document["error"] = error_document(lot.error)
    return document


def error_document(error: LotError) -> dict[str, str]:
    return {"code": error.code, "message": error.message}

"""A lot's outcome as clients read it: the same document in results, downloads and webhooks.

PostgreSQL writes it (db/lot_documents.py); whoever looks at single lots reads it again here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    """`languages` holds the asked-for languages that are settled: those with a text come first.

    Either kind comes in the client's order.
    """

    lot_id: str
    status: LotStatus
    error: LotError | None
    missing_images: Sequence[str]
    languages: Sequence[LanguageResult]


def lot_result(document: Mapping[str, Any]) -> LotResult:
    """Read the JSON object of one lot (docs/api.md §5)."""
    described = [
        LanguageResult(entry["language"], entry["damages"]) for entry in document["descriptions"]
    ]
    failed = [
        LanguageResult(entry["language"], None, LotError(**entry["error"]))
        for entry in document.get("failed_languages", ())
    ]
    return LotResult(
        lot_id=document["lot_id"],
        status=LotStatus(document["status"]),
        error=LotError(**document["error"]) if "error" in document else None,
        missing_images=document["missing_images"],
        languages=described + failed,
    )


def error_document(error: LotError) -> dict[str, str]:
    return {"code": error.code, "message": error.message}

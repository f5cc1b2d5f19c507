"""One lot's descriptions, some of which may be missing."""

import json

from generation_service.core.described import Described, document, from_unfinished, unfinished
from generation_service.core.lots import GenerationRequest, Lot
from generation_service.core.results import LanguageResult, LotError
from tests.lots import spooled

LOT = Lot(lot_id="a", image_urls=("http://x/1", "http://x/2"))
ORDER = GenerationRequest(version="1.2.0", languages=("de", "EN", "ru"), lots=spooled([LOT]))
GERMAN = LanguageResult("de", "<p>Delle</p>")
NO_RUSSIAN = LanguageResult("ru", None, LotError("openai_error", "No."))


def described(*translations):
    return Described(
        english="<p>Dent</p>",
        missing_images=["http://x/2"],
        translations={result.language: result for result in translations},
    )


def test_languages_stand_in_the_client_s_order_and_failures_apart():
    assert document(ORDER, described(NO_RUSSIAN, GERMAN)) == {
        "version": "1.2.0",
        "lots": [
            {
                "lot_id": "a",
                "descriptions": [
                    {"language": "de", "damages": "<p>Delle</p>"},
                    {"language": "EN", "damages": "<p>Dent</p>"},
                ],
                "missing_images": ["http://x/2"],
                "failed_languages": [
                    {"language": "ru", "error": {"code": "openai_error", "message": "No."}}
                ],
            }
        ],
    }


def test_only_a_failed_translation_makes_it_incomplete():
    assert described(GERMAN).complete
    assert not described(GERMAN, NO_RUSSIAN).complete


def test_what_is_kept_of_an_incomplete_answer_is_what_was_paid_for():
    kept = json.loads(json.dumps(unfinished(described(GERMAN, NO_RUSSIAN))))
    assert from_unfinished(kept) == described(GERMAN)

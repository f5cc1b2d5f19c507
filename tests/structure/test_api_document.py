"""docs/api.md says what the code does."""

import json
import re
from pathlib import Path

import pytest

from generation_service.core import limits
from generation_service.core.errors import ERRORS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def errors_table() -> str:
    """The table of errors as it must stand in docs/api.md."""
    rows = [f"| `{code}` | {kind.http_status} | {kind.meaning} |" for code, kind in ERRORS.items()]
    return "\n".join(["| `error` | status | |", "|---|---|---|", *rows])


def test_the_table_of_errors_is_that_of_the_code():
    written = re.search(r"<!-- errors: .*? -->\n(.*?)\n<!-- end of errors -->", DOCUMENT, re.DOTALL)
    assert written is not None
    assert written[1] == errors_table(), "docs/api.md must have:\n" + errors_table()


SHOWN = [
    "MAX_LOTS",
    "MAX_LANGUAGES",
    "MAX_LOT_ID_CHARS",
    "MAX_ADDITIONAL_INFO_CHARS",
    "MAX_IMAGES_PER_LOT",
    "MAX_URL_CHARS",
    "MAX_WEBHOOK_URLS",
    "MAX_SYNC_IMAGES",
    "MAX_VALIDATION_URLS",
    "MAX_METADATA_PAIRS",
    "MAX_METADATA_KEY_CHARS",
    "MAX_METADATA_VALUE_CHARS",
    "MAX_ERROR_DETAILS",
    "REQUEST_STATEMENT_SECONDS",
]


@pytest.mark.parametrize("name", SHOWN)
def test_limits_stand_in_the_document(name):
    assert re.search(rf"(?<![\d,]){getattr(limits, name):,}(?![\d,])", DOCUMENT)


def test_examples_are_json():
    examples = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    assert all(json.loads(example) for example in examples)
    assert len(examples) >= 10


def test_links_within_the_document_lead_somewhere():
    headings = re.findall(r"^#+ (.+)$", DOCUMENT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#(.+?)\)", DOCUMENT)) <= anchors

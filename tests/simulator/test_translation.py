"""The visible, reversible translation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_simulator.translation import find_language, find_text, restore, translate

HTML_PIECES = st.sampled_from(
    ["<p>", "</p>", "<li>", "&amp;", "&#39;", "<", ">", "&", " ", "\n", "[ru] ", "[es-419] ", "5"]
)


@pytest.mark.parametrize(
    ("english", "russian"),
    [
        ("<p>Dent on the door.</p>", "<p>[ru] dENT ON THE DOOR.</p>"),
        ("<ul><li>VIN 1HGCM8, 12mm</li></ul>", "<ul><li>[ru] vin 1HGCM8, 12mm</li></ul>"),
        (
            "<p>Fuel &amp; <strong>oil</strong></p>",
            "<p>[ru] fUEL &amp; <strong>[ru] OIL</strong></p>",
        ),
        ("<p>12345</p>", "<p>12345</p>"),
        ("", ""),
        (" \n Scratch ", " \n [ru] sCRATCH "),
        ("Größe ß", "[ru] gRÖßE ß"),
        ("a < b", "[ru] A < B"),
    ],
)
def test_words_change_case_and_all_else_is_kept(english: str, russian: str) -> None:
    assert translate(english, "ru") == russian
    assert restore(russian, "ru") == english


@given(st.lists(st.one_of(HTML_PIECES, st.text(max_size=8))), st.sampled_from(["ru", "es-419"]))
def test_every_translation_can_be_undone(pieces: list[str], language: str) -> None:
    text = "".join(pieces)
    assert restore(translate(text, language), language) == text


@pytest.mark.parametrize(
    ("messages", "language"),
    [
        (["Translate into Russian (ru).\n<text>\ninto German (de)\n</text>"], "ru"),
        (["Translate into Serbian (Latin script) (sr-Latn).\n<text>"], "sr-Latn"),
        (["Hello", 'Rules\nlanguage="pt-BR"'], "pt-BR"),
        (["BCP-47 tag: zh-Hant\n"], "zh-Hant"),
        (["<text>\nBCP-47 tag: ru\n</text>"], None),
        (["Translate this"], None),
    ],
)
def test_the_language_is_read_outside_the_text(messages: list[str], language: str | None) -> None:
    assert find_language(messages) == language


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("Do.\n<text>\n<p>Hi</p>\n</text>", "<p>Hi</p>"),
        ("<text>a</text> b</text>", "a</text> b"),
        ("</text><text>", None),
        ("no marks", None),
    ],
)
def test_the_text_is_what_stands_between_the_marks(message: str, text: str | None) -> None:
    assert find_text(message) == text

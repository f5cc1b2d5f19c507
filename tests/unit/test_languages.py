"""Language tags against the registry."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation_service.core.languages import (
    UnknownLanguageError,
    canonical,
    english_name,
    is_source,
    parse_languages,
    translations,
)


def test_order_and_spelling_are_the_clients():
    tags = ["ru", "EN", "zh-hant", "pt-BR", "sr-Latn"]
    assert parse_languages(tags) == tuple(tags)


@pytest.mark.parametrize(
    ("tags", "kept"),
    [
        (["EN", "en", "eng", "en-Latn"], ("EN",)),
        (["iw", "he"], ("iw",)),
        (["pt-br", "pt-BR", "pt"], ("pt-br", "pt")),
        (["en", "en-GB"], ("en", "en-GB")),
        (["sh", "sr-Latn", "sr"], ("sh", "sr")),
    ],
)
def test_a_language_is_kept_once(tags, kept):
    assert parse_languages(tags) == kept


@pytest.mark.parametrize(
    "tag",
    [
        *("x-foo", "X-foo", "en-x-a", "de-u-co-phonebk", "en-a-bbb", "i-default"),
        *("qaa", "xx", "xx-DE", "und", "mul", "zxx", "root", "mis", "art", "sgn", "afa"),
        *("en-ZZ", "en-XX", "en-XA", "en-AA", "en-Zzzz", "en-Qaaa", "en-aaaaa"),
        *("", " ", "-", "e", "en_US", "en-", "-en", " en", "en\n", "en--US", "e\x00n"),
        *("english", "русский", "abcdefghi", "en-" + "a" * 40, "de-" * 9 + "de"),
    ],
)
def test_what_is_no_language_is_named(tag):
    with pytest.raises(UnknownLanguageError) as caught:
        parse_languages(["en", tag])
    assert caught.value.tag == tag


@given(st.text(max_size=40) | st.text("abcdefghijklmnopqrstuvwxyzAZ0123456789-", max_size=40))
def test_any_text_is_a_language_or_refused(tag):
    try:
        standard = canonical(tag)
    except UnknownLanguageError:
        return
    assert canonical(standard) == standard
    assert english_name(tag)


@pytest.mark.parametrize("tag", ["en", "EN", "eng", "en-Latn"])
def test_plain_english_is_the_source(tag):
    assert is_source(tag)


def test_everything_but_plain_english_is_translated():
    assert translations(("ru", "EN", "en-GB", "en-US")) == ("ru", "en-GB", "en-US")


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("ru", "Russian"),
        ("iw", "Hebrew"),
        ("pt-br", "Brazilian Portuguese"),
        ("pt-AO", "Portuguese (Angola)"),
        ("zh-Hant", "Traditional Chinese"),
        ("zh-Hant-TW", "Traditional Chinese (Taiwan)"),
        ("sr-Latn", "Serbian (Latin script)"),
        ("az-Cyrl-AZ", "Azerbaijani (Cyrillic script, Azerbaijan)"),
        ("es-419", "Latin American Spanish"),
        ("en-GB", "British English"),
    ],
)
def test_a_prompt_calls_a_language_by_its_usual_name(tag, name):
    assert english_name(tag) == name


def test_a_hundred_languages_are_known():
    tags = re.findall(
        r"\w+",
        """
        af am ar az be bg bn bs ca cs cy da de el en es et eu fa fi fil fr ga gl gu ha he hi hr
        hu hy id ig is it ja jv ka kk km kn ko ky lo lt lv mg mi mk ml mn mr ms mt my nb ne nl
        nn no or pa pl ps pt ro ru rw sd si sk sl so sq sr st su sv sw ta te tg th ti tk tn tr
        tt ug uk ur uz vi wo xh yi yo zh zu yue nan ceb haw hmn ku la lb sm sn eo fy gd ht co
        """,
    )
    assert len(parse_languages(tags)) == len(tags) > 100

"""Language tags (BCP 47): which are real, which mean the same, and what they are called."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import langcodes

SOURCE: Final = "en"
"""Descriptions are written in this language; everything else is a translation."""

_MAX_TAG_CHARS: Final = 35  # RFC 5646 §4.4.1: enough for any tag without extensions
_SYNTAX: Final = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")
_SINGLETON: Final = re.compile(r"-[0-9A-Za-z]-|^x-", re.IGNORECASE)
# Names of what the registry holds and nobody can translate into: und, qaa, ZZ, XA, mul, afa, zxx.
_NO_LANGUAGE: Final = re.compile(r"Unknown |Pseudo-|Private use| languages\b|No linguistic content")

# Usual names where the registry's "language (territory)" is unclear or clumsy.
_USUAL_NAMES: Final = {
    "en-GB": "British English",
    "en-US": "American English",
    "es-419": "Latin American Spanish",
    "es-ES": "European Spanish",
    "es-MX": "Mexican Spanish",
    "fr-CA": "Canadian French",
    "pt-BR": "Brazilian Portuguese",
    "pt-PT": "European Portuguese",
    "zh-Hans": "Simplified Chinese",
    "zh-Hant": "Traditional Chinese",
}


class UnknownLanguageError(ValueError):
    """`tag`, as the client sent it, names no language of the registry."""

    def __init__(self, *, tag: str) -> None:
        super().__init__(f"{tag[:_MAX_TAG_CHARS]!r} is not a known BCP 47 language tag.")
        self.tag = tag


def parse_languages(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags as sent, in order, without those that only repeat an earlier one (`EN` = `en`)."""
    spelling: dict[str, str] = {}
    for tag in tags:
        spelling.setdefault(canonical(tag), tag)
    return tuple(spelling.values())


def is_source(tag: str) -> bool:
    """Whether the tag is plain English; `en-GB` is a translation."""
    return canonical(tag) == SOURCE


def translations(languages: Sequence[str]) -> tuple[str, ...]:
    """Those languages that the English text must be translated into."""
    return tuple(tag for tag in languages if not is_source(tag))


@lru_cache(maxsize=4096)
def canonical(tag: str) -> str:
    """The tag in its one canonical form (RFC 5646 §4.5); raises UnknownLanguageError."""
    if not _is_plain(tag):
        raise UnknownLanguageError(tag=tag)
    try:
        standard = langcodes.standardize_tag(tag)
    except ValueError:
        raise UnknownLanguageError(tag=tag) from None
    if not _is_plain(standard) or not langcodes.tag_is_valid(tag) or not _is_spoken(standard):
        raise UnknownLanguageError(tag=tag)
    return standard


def english_name(tag: str) -> str:
    """What a prompt calls the language: "Brazilian Portuguese", "Serbian (Latin script)"."""
    language = langcodes.Language.get(canonical(tag))
    details = dict(language.describe())
    name = details.pop("language")
    for part, subtag in (("script", language.script), ("territory", language.territory)):
        usual = _USUAL_NAMES.get(f"{language.language}-{subtag}")
        if usual is not None:
            name = usual
            del details[part]
    if "script" in details:
        details["script"] += " script"
    return f"{name} ({', '.join(details.values())})" if details else name


def _is_plain(tag: str) -> bool:
    """Well formed, and without extensions or private use, which say nothing about a text."""
    return (
        len(tag) <= _MAX_TAG_CHARS
        and _SYNTAX.fullmatch(tag) is not None
        and _SINGLETON.search(tag) is None
    )


def _is_spoken(tag: str) -> bool:
    """Whether the registry names every part of the tag, and as something people write in."""
    name = langcodes.Language.get(tag).display_name()
    return tag != "und" and _NO_LANGUAGE.search(name) is None

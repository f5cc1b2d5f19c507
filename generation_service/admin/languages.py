"""Languages to choose from, by the names that their speakers give them."""

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

import langcodes

from generation_service.core.languages import UnknownLanguageError, canonical, english_name

_RIGHT_TO_LEFT: Final = frozenset({"Arab", "Hebr", "Syrc", "Thaa", "Nkoo", "Adlm"})
_COMMON: Final = """
    ar az be bg bn bs ca cs da de el en en-GB es es-MX et fa fi fil fr fr-CA ga gu he hi hr hu hy id
    is it ja ka kk kn ko ky lo lt lv mk ml mn mr ms mt my nb ne nl pa pl ps pt pt-BR ro ru sk sl sq
    sr sr-Latn sv sw ta te tg th tk tr uk ur uz vi zh-Hans zh-Hant zu
"""


@dataclass(frozen=True, slots=True)
class Language:
    """`autonym` is its name in itself, `name` the English one; `direction` is HTML's `dir`."""

    tag: str
    autonym: str
    name: str
    direction: str


def language(tag: str) -> Language:
    """What a tag is called, also one that the registry doesn't know."""
    try:
        name = english_name(tag)
    except UnknownLanguageError:
        return Language(tag, tag, tag, direction(tag))
    autonym = langcodes.Language.get(tag, normalize=False).autonym()
    return Language(tag, autonym[:1].title() + autonym[1:], name, direction(tag))


@lru_cache(maxsize=1024)
def direction(tag: str) -> str:
    """HTML's `dir` for a text in this language, whatever word it begins with."""
    try:
        script = langcodes.Language.get(canonical(tag)).maximize().script
    except UnknownLanguageError:
        return "auto"
    return "rtl" if script in _RIGHT_TO_LEFT else "ltr"


@cache
def common() -> tuple[Language, ...]:
    """Those that are often asked for, by their English names; any other tag may be typed."""
    return tuple(sorted(map(language, _COMMON.split()), key=lambda each: each.name))

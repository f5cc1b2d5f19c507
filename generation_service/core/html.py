"""What is left of a model's answer before it is stored: a few harmless HTML tags and text.

Words in a photo or in a seller's text can make a model write markup that would run in a client's
page (docs/api.md §8). So nothing of an answer is trusted: a sanitiser keeps an allow-list.
"""

import re
from typing import Final

import nh3

from generation_service.core.text import storable

ALLOWED_TAGS: Final = frozenset({"p", "br", "ul", "ol", "li", "strong", "em"})

_FENCE: Final = "```"
_OPENING_FENCE: Final = re.compile(r"```(?:html|xml|markdown|md|text)?\s*", re.IGNORECASE)
_DROPPED_WITH_CONTENT: Final = frozenset({"script", "style", "title", "iframe", "noscript"})
# Without the star nh3 keeps `lang` and `title` on every tag.
_NO_ATTRIBUTES: Final[dict[str, set[str]]] = {"*": set()}
_SANITISER: Final = nh3.Cleaner(
    tags=set(ALLOWED_TAGS),
    clean_content_tags=set(_DROPPED_WITH_CONTENT),
    attributes=_NO_ATTRIBUTES,
)
# Models know that <b> is <strong>; dropping a heading's tags would glue it to the next word.
_SYNONYMS: Final = {"b": "strong", "i": "em"} | dict.fromkeys(
    ("h1", "h2", "h3", "h4", "h5", "h6", "div", "section", "article", "tr"), "p"
)


def _any_case(word: str) -> str:
    """A pattern; with IGNORECASE, five times slower, re could not look for the `<` alone."""
    return "".join(f"[{letter}{letter.upper()}]" for letter in word)


_SYNONYM_TAG: Final = re.compile(rf"<(/?)({'|'.join(map(_any_case, _SYNONYMS))})(?=[\s/>])")
_BLOCK_TAG: Final = re.compile(r"<(?:p|ul|ol|li)>")
_BLANK_LINE: Final = re.compile(r"\n[ \t\r]*\n\s*")
_EMPTY_PARAGRAPH: Final = re.compile(r"<p>(?:\s|&nbsp;|<br>)*</p>")
_INVISIBLE: Final = re.compile(r"(?:<[^>]*>|&nbsp;|\s+)*+")


def clean(text: str) -> str:
    """The text as HTML of ALLOWED_TAGS without attributes; "" when nothing visible is left.

    A Markdown fence around the whole is removed; text without block tags becomes paragraphs.
    """
    html = _SANITISER.clean(_SYNONYM_TAG.sub(_renamed, _unfenced(storable(text))))
    if _BLOCK_TAG.search(html) is None:
        html = _SANITISER.clean(_paragraphs(html))
    html = _EMPTY_PARAGRAPH.sub("", html).strip()
    return "" if _INVISIBLE.fullmatch(html) else html


def plain(text: str) -> str:
    """The text without any tags, for where no HTML is expected; `<` and `&` are escaped."""
    return nh3.clean(storable(text), tags=set(), clean_content_tags=set(_DROPPED_WITH_CONTENT))


def _unfenced(text: str) -> str:
    text = text.strip()
    opening = _OPENING_FENCE.match(text)
    return text if opening is None else text[opening.end() :].removesuffix(_FENCE)


def _renamed(tag: re.Match[str]) -> str:
    return f"<{tag[1]}{_SYNONYMS[tag[2].lower()]}"


def _paragraphs(html: str) -> str:
    blocks = _BLANK_LINE.split(html.strip())
    return "\n".join(f"<p>{block.replace(chr(10), '<br>')}</p>" for block in blocks)

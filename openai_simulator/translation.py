"""A "translation" that anyone can see is none, and that can be undone exactly.

Outside tags, entities and tokens with a digit in them (VINs, lot numbers, measures), every letter
changes its case; each run of text in which something changed starts with the language's tag in
brackets: `<p>Dent on door 2b</p>` becomes `<p>[ru] dENT ON DOOR 2b</p>`. Changing case again and
taking the marks away gives the text back: `restore(translate(text, tag), tag) == text`.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

_MARKUP: Final = re.compile(r"(</?[A-Za-z][^<>]*>)")
_ENTITY: Final = r"&(?:#[0-9]+|#x[0-9A-Fa-f]+|[A-Za-z][A-Za-z0-9]*);"
_WORD: Final = re.compile(rf"{_ENTITY}|[^\s<>&]+")
_TAG: Final = r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*"
_LANGUAGE: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\binto\b[^\n]*\(({_TAG})\)",
        rf'language="({_TAG})"',
        rf"BCP-47 tag:\s*({_TAG})\b",
    )
)
UNKNOWN_LANGUAGE: Final = "xx"


def find_text(message: str) -> str | None:
    """What stands between <text> and </text>, without the line breaks next to the marks."""
    start, end = message.find("<text>"), message.rfind("</text>")
    if start < 0 or end < start:
        return None
    return message[start + 6 : end].removeprefix("\n").removesuffix("\n")


def find_language(messages: Iterable[str]) -> str | None:
    """The BCP-47 tag that the first telling message names, outside the text to translate."""
    for message in messages:
        before = message.partition("<text>")[0]
        for pattern in _LANGUAGE:
            found = pattern.search(before)
            if found:
                return found.group(1)
    return None


def translate(text: str, language: str) -> str:
    mark = f"[{language}] "
    return _map_runs(text, lambda run: _marked(run, mark))


def restore(text: str, language: str) -> str:
    """The text that `translate` was given."""
    mark = f"[{language}] "
    return _map_runs(text, lambda run: _unmarked(run, mark))


def _map_runs(text: str, change: Callable[[str], str]) -> str:
    """Change the runs of text between tags; each keeps the white space it starts with."""
    return "".join(
        piece if index % 2 else _after_space(piece, change)
        for index, piece in enumerate(_MARKUP.split(text))
    )


def _after_space(piece: str, change: Callable[[str], str]) -> str:
    run = piece.lstrip()
    return piece[: len(piece) - len(run)] + change(run)


def _marked(run: str, mark: str) -> str:
    mapped = _WORD.sub(_other_case, run)
    # A run that starts like a marked one gets a mark, so that `restore` takes away only that.
    return mark + mapped if mapped != run or run.startswith(mark) else run


def _unmarked(run: str, mark: str) -> str:
    if not run.startswith(mark):
        return run
    return _WORD.sub(_other_case, run.removeprefix(mark))


def _other_case(word: re.Match[str]) -> str:
    letters = word.group()
    if letters.startswith("&") or any(character.isdigit() for character in letters):
        return letters
    return "".join(map(_swapped, letters))


def _swapped(character: str) -> str:
    """The other case, where it is one character and leads back to this one."""
    other = character.swapcase()
    return other if len(other) == 1 and other.swapcase() == character else character

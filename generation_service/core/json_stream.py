"""A JSON object read as it comes: the elements of one of its lists are handed over one by one.

The rules are those of `json_text`, and so is the parser: it is put to a window of the text, which
is read on when a value does not end in it. So what is held at a time is one element, however long
the list is.
"""

import json
from codecs import getincrementaldecoder
from collections.abc import Callable, Container, Iterable
from hashlib import sha256
from typing import Final, NoReturn

from generation_service.core.json_text import (
    DECODER,
    SUSPICIOUS_ESCAPE,
    TOO_DEEP,
    InvalidJsonError,
    TooManyValuesError,
    check_count,
    check_depth,
    check_strings,
    repeated_key,
)
from generation_service.core.limits import MAX_JSON_CHARS, MAX_JSON_DEPTH, MAX_JSON_MEMBERS

_SPACES: Final = " \t\n\r"
_AFTER_VALUE: Final = frozenset(",]}:" + _SPACES)
_LOOKAHEAD: Final = 16
"""An error this near to the end of the window may only mean that a number, a name or an escape
goes on behind it; the longest, `-Infinity` and a surrogate pair, have 9 and 12 characters."""


def read_object(
    pieces: Iterable[bytes],
    *,
    kept: Container[str],
    streamed: str,
    element: Callable[[object], None],
) -> dict[str, object]:
    """The members, of those to be `kept`, of the object that a UTF-8 text holds.

    If the member `streamed` is a list, each of its elements is passed to `element` and forgotten:
    an empty list stands in its place. Raises InvalidJsonError and nothing else.
    """
    text = _Window(pieces)
    members: dict[str, object] = {}
    seen: set[bytes] = set()
    if text.next() != "{":
        text.value(MAX_JSON_DEPTH)  # for a better message, if it is no JSON at all
        raise InvalidJsonError("The body must be a JSON object.")
    text.skip()
    for _ in text.separated("}"):
        key = _key(text, seen)
        if key == streamed and text.next() == "[":
            _stream(text, element)
            members[key] = []
        else:
            value = text.value(MAX_JSON_DEPTH - 1)
            if key in kept:
                members[key] = value
    if text.next():
        text.fail("Extra data")
    return members


def _stream(text: "_Window", element: Callable[[object], None]) -> None:
    text.skip()
    for _ in text.separated("]"):
        element(text.value(MAX_JSON_DEPTH - 2))


def _key(text: "_Window", seen: set[bytes]) -> str:
    """The next member's name, which must be new."""
    if text.next() != '"':
        text.fail("Expecting property name enclosed in double quotes")
    key = str(text.value(0))
    if text.next() != ":":
        text.fail("Expecting ':' delimiter")
    text.skip()
    digest = sha256(key.encode()).digest()  # names may be long, too
    if digest in seen:
        raise repeated_key(key)
    if len(seen) == MAX_JSON_MEMBERS:
        raise TooManyValuesError(f"The body has more than {MAX_JSON_MEMBERS:,} members.")
    seen.add(digest)
    return key


class _Window:
    """What is held of the text, and how far it is read."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._bytes = _Utf8(pieces)
        self._text = ""
        self._at = 0
        self._whole = False
        """Nothing follows the window."""
        self._lines = self._columns = 0
        """Those before the window, and the characters of the last of these lines."""

    def next(self) -> str:
        """The next character but for white space; empty at the end of the text."""
        while True:
            while self._at < len(self._text):
                character = self._text[self._at]
                if character not in _SPACES:
                    return character
                self._at += 1
            if not self._read_on():
                return ""

    def skip(self) -> None:
        self._at += 1

    def separated(self, end: str) -> Iterable[None]:
        """Once for each of the values, parted by commas, up to `end`; the caller reads them."""
        if self.next() != end:
            yield
            while self.next() == ",":
                self.skip()
                yield
        if self.next() != end:
            self.fail("Expecting ',' delimiter")
        self.skip()

    def value(self, levels: int) -> object:
        """Read one value, which may be nested so many levels deep."""
        self.next()
        doubts = 0
        while (found := self._decoded(sure=self._whole or doubts > 0)) is None:
            doubts += 1
            self._check_size()
            self._read_on()
        value, end = found
        if self._brackets(end) > levels:
            check_depth(value, levels)
        # Raw control characters and encoded surrogates are refused before: only escapes are left.
        if SUSPICIOUS_ESCAPE.search(self._text, self._at, end):
            check_strings(value)
        self._at = end
        return value

    def _decoded(self, *, sure: bool) -> tuple[object, int] | None:
        """The value that begins here and where it ends; None if it may go on behind the window.

        A rule that was broken twice, `sure`ly, is not broken because a number was cut in two.
        """
        try:
            value, end = DECODER.raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            if self._whole or self._is_certain(error):
                self.fail(error.msg, error.pos)
        except RecursionError:
            raise InvalidJsonError(TOO_DEEP) from None
        except ValueError as error:  # one of our rules, or int() on too many digits
            if sure:
                raise _refusal(error) from None
        else:
            if self._whole or self._is_ended(end):
                return value, end
        return None

    def _check_size(self) -> None:
        """Don't read on for a value that is too large; all that is left of the window is its."""
        if len(self._text) - self._at >= MAX_JSON_CHARS:
            raise TooManyValuesError(
                f"A value is longer than {MAX_JSON_CHARS:,} characters; send less at once."
            )
        check_count(self._brackets(len(self._text)) + self._text.count(",", self._at))

    def _brackets(self, end: int) -> int:
        """How many open up to `end`: nothing there is nested deeper."""
        return self._text.count("{", self._at, end) + self._text.count("[", self._at, end)

    def fail(self, reason: str, position: int | None = None) -> NoReturn:
        position = self._at if position is None else position
        before = self._text[:position]
        lines, column = before.count("\n"), position - before.rfind("\n")
        if lines == 0:
            column = self._columns + position + 1
        raise InvalidJsonError(f"{reason} at line {self._lines + lines + 1}, column {column}.")

    def _is_certain(self, error: json.JSONDecodeError) -> bool:
        near = error.pos >= len(self._text) - _LOOKAHEAD
        return not near and not error.msg.startswith("Unterminated string")

    def _is_ended(self, end: int) -> bool:
        """Whether the value surely ends here: `1` may be the start of `1.5` or `1e5`."""
        return end < len(self._text) - _LOOKAHEAD or self._text[end : end + 1] in _AFTER_VALUE

    def _read_on(self) -> bool:
        """Add to the window, at least as much as it holds, and forget what was read."""
        if self._whole:
            return False
        gone, kept = self._text[: self._at], self._text[self._at :]
        if newlines := gone.count("\n"):
            self._lines += newlines
            self._columns = len(gone) - gone.rindex("\n") - 1
        else:
            self._columns += len(gone)
        more = self._bytes.read(min(len(kept), MAX_JSON_CHARS - len(kept)))
        self._whole = not more
        self._text, self._at = kept + more, 0
        return True


def _refusal(error: ValueError) -> InvalidJsonError:
    if isinstance(error, InvalidJsonError):
        return error
    return InvalidJsonError("A number has too many digits.")


class _Utf8:
    """Pieces of bytes as text."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._decoder = getincrementaldecoder("utf-8")()
        self._decoded = 0

    def read(self, least: int) -> str:
        """At least so many characters, one at the very least; empty only at the end."""
        texts: list[str] = []
        held = 0
        while held <= least and (text := self._one()) is not None:
            texts.append(text)
            held += len(text)
        return "".join(texts)

    def _one(self) -> str | None:
        """The next piece's text, which may be empty; None at the end."""
        piece = next(self._pieces, None)
        if piece is None and not self._decoder.getstate()[0]:
            return None
        pending = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(piece or b"", final=piece is None)
        except UnicodeDecodeError as error:
            byte = self._decoded - pending + error.start
            raise InvalidJsonError(f"Byte {byte} is not valid UTF-8.") from None
        self._decoded += len(piece or b"")
        return text

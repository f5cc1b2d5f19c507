"""Strict JSON (docs/api.md §1): refuses what a signature or a database could not carry.

Python's parser takes NaN, numbers that overflow to infinity, repeated keys (the last one wins,
while another parser may take the first), NUL characters, which PostgreSQL cannot store, and lone
surrogates, which no UTF-8 text can hold. Each of them is an InvalidJsonError here.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, NoReturn

from generation_service.core.limits import MAX_JSON_DEPTH, MAX_JSON_MARKS


class InvalidJsonError(ValueError):
    """The text is no JSON by the service's rules; the message says why, for the client."""


class TooManyValuesError(InvalidJsonError):
    """A value is so large that it could take gigabytes."""


def parse(text: bytes) -> object:
    """The value of a UTF-8 JSON text; raises InvalidJsonError and nothing else."""
    check_count(sum(map(text.count, (b"[", b"{", b","))))
    value, characters = _decode(text)
    check_depth(value, MAX_JSON_DEPTH)
    # Raw control characters and encoded surrogates are refused above: only escapes are left.
    if SUSPICIOUS_ESCAPE.search(characters):
        check_strings(value)
    return value


def check_count(marks: int) -> None:
    """Refuse what would become too many values, given its brackets, braces and commas.

    A value costs 50 to 200 bytes of memory, but as few as two bytes of text. Marks inside strings
    are counted too: that only matters where there are hundreds of thousands of them.
    """
    if marks > MAX_JSON_MARKS:
        raise TooManyValuesError(
            f"A value holds more than {MAX_JSON_MARKS:,} brackets, braces and commas; "
            "send less at once."
        )


def _decode(text: bytes) -> tuple[object, str]:
    try:
        characters = text.decode()
        return DECODER.decode(characters), characters
    except UnicodeDecodeError as error:
        raise InvalidJsonError(f"Byte {error.start} is not valid UTF-8.") from None
    except json.JSONDecodeError as error:
        raise InvalidJsonError(
            f"{error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    except RecursionError:
        raise InvalidJsonError(TOO_DEEP) from None
    except InvalidJsonError:
        raise
    except ValueError:  # int() takes at most 4,300 digits (sys.set_int_max_str_digits)
        raise InvalidJsonError("A number has too many digits.") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        [(key, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise repeated_key(key)
    return members


def repeated_key(key: str) -> InvalidJsonError:
    return InvalidJsonError(f"The key {key[:64]!r} appears twice in one object.")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise InvalidJsonError(f"The number {digits[:64]} is too large.")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJsonError(f"{name} is not a JSON value.")


def check_depth(value: object, levels: int) -> None:
    """Refuse arrays and objects that are nested deeper."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(levels):
        if not level:
            return
        level = [
            child for node in level for child in _children(node) if isinstance(child, (dict, list))
        ]
    if level:
        raise InvalidJsonError(TOO_DEEP)


def _children(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def check_strings(value: object) -> None:
    """Refuse strings, keys among them, that no database could store or no text could hold."""
    if any(_UNSTORABLE.search(text) for text in _strings(value)):
        raise InvalidJsonError("A string holds a NUL character or half of a surrogate pair.")


def _strings(value: object) -> Iterator[str]:
    stack = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, dict):
            yield from node
        stack.extend(_children(node))


TOO_DEEP: Final = f"Arrays and objects are nested more than {MAX_JSON_DEPTH} levels deep."
SUSPICIOUS_ESCAPE: Final = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_finite, parse_constant=_refuse_constant
)

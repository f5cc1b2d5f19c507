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

from generation_service.core.limits import MAX_JSON_DEPTH


class InvalidJsonError(ValueError):
    """The text is no JSON by the service's rules; the message says why, for the client."""


def parse(text: bytes) -> object:
    """The value of a UTF-8 JSON text; raises InvalidJsonError and nothing else."""
    value = _decode(text)
    _check_depth(value)
    # Raw control characters and encoded surrogates are refused above: only escapes are left.
    if _SUSPICIOUS_ESCAPE.search(text):
        _check_strings(value)
    return value


def _decode(text: bytes) -> object:
    try:
        return _DECODER.decode(text.decode())
    except UnicodeDecodeError as error:
        raise InvalidJsonError(f"Byte {error.start} is not valid UTF-8.") from None
    except json.JSONDecodeError as error:
        raise InvalidJsonError(
            f"{error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    except RecursionError:
        raise InvalidJsonError(_TOO_DEEP) from None
    except InvalidJsonError:
        raise
    except ValueError:  # int() takes at most 4,300 digits (sys.set_int_max_str_digits)
        raise InvalidJsonError("A number has too many digits.") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        [(key, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise InvalidJsonError(f"The key {key[:64]!r} appears twice in one object.")
    return members


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise InvalidJsonError(f"The number {digits[:64]} is too large.")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJsonError(f"{name} is not a JSON value.")


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = [
            child for node in level for child in _children(node) if isinstance(child, (dict, list))
        ]
    if level:
        raise InvalidJsonError(_TOO_DEEP)


def _children(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def _check_strings(value: object) -> None:
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


_TOO_DEEP: Final = f"Arrays and objects are nested more than {MAX_JSON_DEPTH} levels deep."
_SUSPICIOUS_ESCAPE: Final = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_finite, parse_constant=_refuse_constant
)

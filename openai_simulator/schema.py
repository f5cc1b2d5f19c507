"""Strict checks of JSON, made of small pieces, that fail as OpenAI's do.

A check takes a value and its path ("messages[0].content") and raises an ApiError whose `code`,
`param` and words are OpenAI's. `tests/openai/openapi-subset.yaml` is where the shapes come from.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeGuard

from openai_simulator.errors import invalid

Check = Callable[[object, str], None]

_NAMES: Final[Mapping[type, str]] = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    dict: "an object",
    list: "an array",
    type(None): "null",
}


def wrong_type(path: str, expected: str, value: object) -> Exception:
    got = _NAMES[type(value)]
    return invalid(
        f"Invalid type for '{path}': expected {expected}, but got {got} instead.",
        code="invalid_type",
        param=path,
    )


def wrong_value(path: str, value: object, supported: Sequence[str]) -> Exception:
    choices = ", ".join(f"'{choice}'" for choice in supported)
    return invalid(
        f"Invalid value: '{value}'. Supported values are: {choices}.",
        code="invalid_value",
        param=path,
    )


def out_of_range(path: str, what: str, code: str) -> Exception:
    return invalid(f"Invalid '{path}': {what}", code=code, param=path)


def anything(_value: object, _path: str) -> None:
    return


def string(*, longest: int | None = None, shortest: int = 0, choices: Sequence[str] = ()) -> Check:
    def check(value: object, path: str) -> None:
        if not isinstance(value, str):
            raise wrong_type(path, "a string", value)
        if choices and value not in choices:
            raise wrong_value(path, value, choices)
        if len(value) < shortest:
            raise out_of_range(path, "string too short.", "string_below_min_length")
        if longest is not None and len(value) > longest:
            words = f"string too long. Expected at most {longest}, but got {len(value)} instead."
            raise out_of_range(path, words, "string_above_max_length")

    return check


def number(low: float | None = None, high: float | None = None, *, whole: bool = False) -> Check:
    kind = "integer" if whole else "decimal"

    def check(value: object, path: str) -> None:
        if not _is_number(value, whole=whole):
            raise wrong_type(path, f"an {kind}" if whole else f"a {kind}", value)
        if low is not None and value < low:
            words = f"{kind} below minimum value. Expected a value >= {low}, but got {value}."
            raise out_of_range(path, words, f"{kind}_below_min_value")
        if high is not None and value > high:
            words = f"{kind} above maximum value. Expected a value <= {high}, but got {value}."
            raise out_of_range(path, words, f"{kind}_above_max_value")

    return check


def _is_number(value: object, *, whole: bool) -> TypeGuard[float]:
    if isinstance(value, bool):
        return False
    return isinstance(value, int if whole else int | float)


def boolean(value: object, path: str) -> None:
    if not isinstance(value, bool):
        raise wrong_type(path, "a boolean", value)


def array(item: Check, *, shortest: int = 0, longest: int | None = None) -> Check:
    def check(value: object, path: str) -> None:
        if not isinstance(value, list):
            raise wrong_type(path, "an array", value)
        if len(value) < shortest:
            words = f"empty array. Expected an array with minimum length {shortest}."
            raise out_of_range(path, words, "empty_array")
        if longest is not None and len(value) > longest:
            words = f"array too long. Expected an array with maximum length {longest}."
            raise out_of_range(path, words, "array_above_max_length")
        for index, each in enumerate(value):
            item(each, f"{path}[{index}]")

    return check


def record(fields: Mapping[str, Check], *, required: Sequence[str] = ()) -> Check:
    """An object with these fields and no others."""

    def check(value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise wrong_type(path, "an object", value)
        for name in required:
            if name not in value:
                raise missing(_join(path, name))
        for name, each in value.items():
            if name not in fields:
                raise unknown(_join(path, name))
            fields[name](each, _join(path, name))

    return check


def missing(path: str) -> Exception:
    words = f"Missing required parameter: '{path}'."
    return invalid(words, code="missing_required_parameter", param=path)


def unknown(path: str) -> Exception:
    return invalid(f"Unknown parameter: '{path}'.", code="unknown_parameter", param=path)


def tagged(tag: str, shapes: Mapping[str, Check]) -> Check:
    """An object whose field `tag` says which of the shapes it has."""
    choose = string(choices=tuple(shapes))

    def check(value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise wrong_type(path, "an object", value)
        if tag not in value:
            raise missing(_join(path, tag))
        choose(value[tag], _join(path, tag))
        shapes[value[tag]](value, path)

    return check


def either(shapes: Mapping[type, Check]) -> Check:
    """One of several JSON types."""
    expected = " or ".join(_NAMES[kind] for kind in shapes)

    def check(value: object, path: str) -> None:
        shape = shapes.get(type(value))
        if shape is None:
            raise wrong_type(path, f"one of {expected}", value)
        shape(value, path)

    return check


def nullable(inner: Check) -> Check:
    def check(value: object, path: str) -> None:
        if value is not None:
            inner(value, path)

    return check


def metadata(value: object, path: str) -> None:
    """At most 16 pairs of strings, keys of 64 and values of 512 characters (API reference)."""
    if not isinstance(value, dict):
        raise wrong_type(path, "an object", value)
    if len(value) > 16:  # noqa: PLR2004  the number in the line above
        words = f"too many properties. Expected at most 16, but got {len(value)} instead."
        raise out_of_range(path, words, "object_above_max_properties")
    for key, text in value.items():
        string(longest=64)(key, path)
        string(longest=512)(text, _join(path, key))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name

"""Which series and labels a PromQL expression asks for: enough of its grammar to check our own."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<duration>\d+(?:ms|[smhdwy])|\$__\w+)
    |(?P<number>\d+(?:\.\d+)?)|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    |(?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^<>=,(){}\[\]]))""",
    re.VERBOSE,
)
_WORDS = {"and", "or", "unless", "bool", "offset", "group_left", "group_right"}
_GROUPING = {"by", "without", "on", "ignoring"}
_FUNCTIONS = {"rate", "increase", "sum", "min", "max", "avg", "count", "histogram_quantile"}
_CLOSES = {")": {"(", "grouping"}, "}": {"{"}, "]": {"["}}
_LABELS = {"{", "grouping"}


@dataclass(frozen=True)
class Asked:
    """The names of series, and the labels each is selected or grouped by."""

    series: frozenset[str]
    labels: frozenset[str]


class WrongQueryError(Exception):
    """An expression that Prometheus would not read."""


def asked(expression: str) -> Asked:
    """What an expression asks for; WrongQueryError where it is none."""
    names = list(_names(expression))
    for text, place, called in names:
        if called and place not in _LABELS and text not in _FUNCTIONS:
            raise WrongQueryError(f"no such function: {text}")
    return Asked(
        frozenset(text for text, place, called in names if place not in _LABELS and not called),
        frozenset(text for text, place, _ in names if place in _LABELS),
    )


def _names(expression: str) -> Iterator[tuple[str, str, bool]]:
    """Each name that is no keyword, the bracket it stands in, and whether one follows it."""
    tokens = [*_tokens(expression), ("", "")]
    open_brackets, before = [""], ""
    for (kind, text), (_, after) in pairwise(tokens):
        if text in {"(", "{", "["}:
            open_brackets.append("grouping" if before in _GROUPING else text)
        elif text in _CLOSES:
            if open_brackets.pop() not in _CLOSES[text]:
                raise WrongQueryError(f"{text} closes nothing: {expression}")
        elif kind == "name" and text not in _WORDS | _GROUPING:
            yield text, open_brackets[-1], after == "(" or after in _GROUPING
        before = text
    if open_brackets != [""]:
        raise WrongQueryError(f"something is left open: {expression}")


def _tokens(expression: str) -> Iterator[tuple[str, str]]:
    position, end = 0, len(expression.rstrip())
    while position < end:
        found = _TOKEN.match(expression, position)
        if found is None:
            raise WrongQueryError(f"unreadable from {expression[position:]!r}")
        position = found.end()
        kind = str(found.lastgroup)
        yield kind, found[kind]

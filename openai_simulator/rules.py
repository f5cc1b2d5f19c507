"""Rules: when to misbehave. README.md has their format and the table of actions."""

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

from openai_simulator.actions import Action, Fired, Subject
from openai_simulator.answer_actions import ANSWERS
from openai_simulator.batch_actions import BATCHES
from openai_simulator.call_actions import AFTER, BEFORE
from openai_simulator.event_actions import EVENTS
from openai_simulator.journal import Journal
from openai_simulator.line_actions import LINES

ACTIONS: Final[Mapping[str, Action[Any]]] = {
    **BEFORE,
    **AFTER,
    **ANSWERS,
    **LINES,
    **BATCHES,
    **EVENTS,
}
_FIELDS: Final = frozenset({"on", "do", "match", "times", "probability"})
_CONDITIONS: Final[Mapping[str, Callable[[Subject, str], bool]]] = {
    "custom_id": lambda subject, regex: bool(re.search(regex, subject.custom_id or "")),
    "body": lambda subject, part: part.encode() in subject.raw,
    "image_url": lambda subject, part: any(part in url for url in subject.image_urls),
    "model": lambda subject, name: subject.model == name,
    "path": lambda subject, part: part in subject.path,
}


class RuleError(ValueError):
    """A rule that cannot be understood; the message says why."""


@dataclass(kw_only=True)
class Rule:
    """`seen` counts the subjects that met `match` (without `nth`), `fired` those it applied to."""

    id: str
    on: frozenset[str]
    do: str
    match: Mapping[str, Any]
    times: int | None
    probability: float
    parameters: Mapping[str, Any]
    seen: int = field(default=0)
    fired: int = field(default=0)

    def applies(self, subject: Subject, seed: int) -> bool:
        if self.times is not None and self.fired >= self.times:
            return False
        if not all(check(subject, self.match[name]) for name, check in self._conditions()):
            return False
        self.seen += 1
        if not (self._is_nth() and self._is_chosen(subject, seed)):
            return False
        self.fired += 1
        return True

    def _conditions(self) -> list[tuple[str, Callable[[Subject, str], bool]]]:
        return [(name, check) for name, check in _CONDITIONS.items() if name in self.match]

    def _is_nth(self) -> bool:
        nth = self.match.get("nth")
        return nth is None or self.seen in (nth if isinstance(nth, list) else [nth])

    def _is_chosen(self, subject: Subject, seed: int) -> bool:
        """A line's fate hangs on its custom_id, so that it does not depend on threads."""
        key = f"{seed}/{self.id}/{subject.custom_id or self.seen}"
        return self.probability >= 1 or random.Random(key).random() < self.probability  # noqa: S311

    @property
    def document(self) -> dict[str, object]:
        return {
            "id": self.id,
            "on": sorted(self.on),
            "do": self.do,
            "match": self.match,
            "times": self.times,
            "probability": self.probability,
            **self.parameters,
            "seen": self.seen,
            "fired": self.fired,
        }


class Rules:
    """The rules in force, in the order they were added; every firing is written to `journal`."""

    def __init__(self, journal: Journal, seed: int = 0) -> None:
        self._journal = journal
        self._seed = seed
        self._rules: dict[str, Rule] = {}
        self._count = 0
        self._lock = Lock()

    def add(self, document: Mapping[str, Any]) -> str:
        """Add a rule; its id. Raises RuleError."""
        with self._lock:
            rule = parse_rule(document, f"rule_{self._count + 1}")
            self._count += 1
            self._rules[rule.id] = rule
        return rule.id

    def remove(self, rule: str) -> bool:
        with self._lock:
            return self._rules.pop(rule, None) is not None

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def has(self, rule: str | None) -> bool:
        return rule in self._rules

    @property
    def documents(self) -> list[dict[str, object]]:
        with self._lock:
            return [rule.document for rule in self._rules.values()]

    @property
    def firings(self) -> list[dict[str, object]]:
        return list(self._journal)

    def fire(self, point: str, subject: Subject) -> Sequence[Fired]:
        """Every rule that applies, in order, up to one that ends the call."""
        if not self._rules:
            return ()
        fired = []
        with self._lock:
            for rule in self._rules.values():
                if point in rule.on and rule.applies(subject, self._seed):
                    fired.append(Fired(rule.id, rule.do, rule.parameters, subject))
                    self._record(point, fired[-1])
                    if ACTIONS[rule.do].ends:
                        break
        return fired

    def _record(self, point: str, fired: Fired) -> None:
        self._journal.append(
            {
                "time": time.time(),
                "rule": fired.rule,
                "do": fired.do,
                "on": point,
                "path": fired.subject.path,
                "custom_id": fired.subject.custom_id,
            }
        )


def parse_rule(document: Mapping[str, Any], ident: str) -> Rule:
    action = ACTIONS.get(str(document.get("do")))
    if action is None:
        raise RuleError(f"do: unknown action {document.get('do')!r}; known: {', '.join(ACTIONS)}")
    return Rule(
        id=ident,
        on=_points(document.get("on"), action),
        do=document["do"],
        match=_match(document.get("match") or {}),
        times=_times(document.get("times")),
        probability=_probability(document.get("probability", 1)),
        parameters={**action.parameters, **_parameters(document, action)},
    )


def _points(on: object, action: Action[Any]) -> frozenset[str]:
    points = frozenset(map(str, on if isinstance(on, list) else [on]))
    if not points or not points <= action.points:
        raise RuleError(f"on: this action happens at {', '.join(sorted(action.points))}")
    return points


def _times(times: object) -> int | None:
    if times is None or (type(times) is int and times > 0):
        return times
    raise RuleError("times: a whole number above 0, or null for always")


def _probability(probability: object) -> float:
    if isinstance(probability, int | float) and 0 <= probability <= 1:
        return float(probability)
    raise RuleError("probability: a number from 0 to 1")


def _match(match: object) -> Mapping[str, Any]:
    if not isinstance(match, dict) or not match.keys() <= {*_CONDITIONS, "nth"}:
        raise RuleError(f"match: takes {', '.join(_CONDITIONS)} and nth")
    for name in _CONDITIONS.keys() & match.keys():
        if not isinstance(match[name], str):
            raise RuleError(f"match.{name}: a string is wanted")
    nth = match.get("nth", 1)
    if not all(type(number) is int for number in (nth if isinstance(nth, list) else [nth])):
        raise RuleError("match.nth: a whole number, or a list of them")
    try:
        re.compile(match.get("custom_id", ""))
    except re.error as error:
        raise RuleError(f"match.custom_id: no regular expression: {error}") from error
    return match


def _parameters(document: Mapping[str, Any], action: Action[Any]) -> dict[str, Any]:
    given = {name: value for name, value in document.items() if name not in _FIELDS}
    if not given.keys() <= action.parameters.keys():
        raise RuleError(f"unknown field; this action takes {', '.join(action.parameters) or '-'}")
    for name, value in given.items():
        default = action.parameters[name]
        if default is not None and not isinstance(value, _like(default)):
            raise RuleError(f"{name}: a value like {default!r} is wanted")
    return given


def _like(default: object) -> type | tuple[type, ...]:
    return (int, float) if isinstance(default, int | float) else type(default)

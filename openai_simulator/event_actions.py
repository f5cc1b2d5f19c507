"""Misbehaviour of the events that tell of a batch's end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from openai_simulator.actions import Action, Fired


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How an event is sent: so many `copies` after `delay` seconds, its time `age` seconds ago."""

    copies: int = 1
    delay: float = 0.0
    age: float = 0.0
    forged: bool = False


Turn = Callable[[Manner, Fired], Manner]


def repeat(manner: Manner, _fired: Fired) -> Manner:
    return replace(manner, copies=2)


def lose(manner: Manner, _fired: Fired) -> Manner:
    return replace(manner, copies=0)


def late(manner: Manner, fired: Fired) -> Manner:
    return replace(manner, delay=fired.parameters["seconds"])


def stale(manner: Manner, fired: Fired) -> Manner:
    return replace(manner, age=fired.parameters["seconds"])


def forge(manner: Manner, _fired: Fired) -> Manner:
    return replace(manner, forged=True)


_EVENT: Final = frozenset({"event"})
EVENTS: Final[Mapping[str, Action[Turn]]] = {
    "repeat_event": Action(_EVENT, repeat),
    "lose_event": Action(_EVENT, lose),
    "late_event": Action(_EVENT, late, {"seconds": 1.0}),
    "stale_event": Action(_EVENT, stale, {"seconds": 600.0}),
    "forge_event": Action(_EVENT, forge),
}


def manner_of(fired: Sequence[Fired]) -> Manner:
    manner = Manner()
    for each in fired:
        manner = EVENTS[each.do].effect(manner, each)
    return manner

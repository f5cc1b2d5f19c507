"""Misbehaviour of a whole batch, decided when it is created and kept with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from openai_simulator.actions import Action, Fired


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What will become of a batch.

    After `fraction` of its lines it ends as `ending` says; "stalled" is no status: it goes on
    when the rule named `stalled_by` is gone. `failure` is an entry of errors.data.
    """

    failure: Mapping[str, Any] | None = None
    over_limit: int | None = None
    validating_seconds: float = 0.0
    seconds: float | None = None
    fraction: float = 1.0
    ending: str = "completed"
    stalled_by: str | None = None
    vanished: bool = False
    shuffled: bool = False
    no_output: bool = False
    lost_output: bool = False
    empty_error_file: bool = False
    undone_forgotten: bool = False


Turn = Callable[[Course, Fired], Course]


def fail(course: Course, fired: Fired) -> Course:
    return replace(course, failure=dict(fired.parameters))


def token_limit(course: Course, fired: Fired) -> Course:
    return replace(course, over_limit=fired.parameters["limit"])


def expire(course: Course, fired: Fired) -> Course:
    return replace(course, ending="expired", fraction=fired.parameters["fraction"])


def cancel(course: Course, fired: Fired) -> Course:
    return replace(course, ending="cancelled", fraction=fired.parameters["fraction"])


def stall(course: Course, fired: Fired) -> Course:
    return replace(course, stalled_by=fired.rule, fraction=fired.parameters["fraction"])


def last(course: Course, fired: Fired) -> Course:
    return replace(course, seconds=fired.parameters["seconds"])


def slow_validation(course: Course, fired: Fired) -> Course:
    return replace(course, validating_seconds=fired.parameters["seconds"])


def flag(name: str) -> Turn:
    def turn(course: Course, _fired: Fired) -> Course:
        changes: dict[str, Any] = {name: True}
        return replace(course, **changes)

    return turn


_BATCH: Final = frozenset({"batch"})
_FAILURE: Final = {
    "code": "invalid_request",
    "message": "Simulated validation failure.",
    "param": None,
    "line": None,
}
BATCHES: Final[Mapping[str, Action[Turn]]] = {
    "fail": Action(_BATCH, fail, _FAILURE),
    "token_limit": Action(_BATCH, token_limit, {"limit": 900_000}),
    "expire": Action(_BATCH, expire, {"fraction": 0.5}),
    "cancel_batch": Action(_BATCH, cancel, {"fraction": 0.5}),
    "stall": Action(_BATCH, stall, {"fraction": 0.5}),
    "last": Action(_BATCH, last, {"seconds": 60.0}),
    "slow_validation": Action(_BATCH, slow_validation, {"seconds": 1.0}),
    "vanish": Action(_BATCH, flag("vanished")),
    "shuffle": Action(_BATCH, flag("shuffled")),
    "no_output": Action(_BATCH, flag("no_output")),
    "lost_output": Action(_BATCH, flag("lost_output")),
    "empty_error_file": Action(_BATCH, flag("empty_error_file")),
    "forget_undone": Action(_BATCH, flag("undone_forgotten")),
}

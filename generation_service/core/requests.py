"""The `custom_id` of a request line: which description, and which attempt at it.

Attempts at a description are numbered over all its runs, so that no `custom_id` comes twice; those
of a run that was asked for begin behind the next multiple of ten.
"""

import re

from generation_service.core.limits import ATTEMPT_NUMBERS_A_RUN


def custom_id(description: int, attempt: int) -> str:
    return f"{description}-{attempt}"


def read_custom_id(text: str) -> tuple[int, int] | None:
    """The (description, attempt) that a line answers; None if the id is not one of ours."""
    match = re.fullmatch(r"(\d{1,18})-(\d{1,9})", text, re.ASCII)
    return (int(match[1]), int(match[2])) if match else None


def attempt_of_run(attempt: int) -> int:
    """How many attempts of its run this one makes it: the 12th of all may be the run's second."""
    return (attempt - 1) % ATTEMPT_NUMBERS_A_RUN + 1

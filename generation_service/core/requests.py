"""The `custom_id` of a request line: which description, and which attempt at it."""

import re


def custom_id(description: int, attempt: int) -> str:
    return f"{description}-{attempt}"


def read_custom_id(text: str) -> tuple[int, int] | None:
    """The (description, attempt) that a line answers; None if the id is not one of ours."""
    match = re.fullmatch(r"(\d{1,18})-(\d{1,4})", text, re.ASCII)
    return (int(match[1]), int(match[2])) if match else None

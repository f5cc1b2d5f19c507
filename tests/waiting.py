"""Waiting for a state, with a deadline: the only place in the tests that sleeps."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

POLL_SECONDS = 0.01

T = TypeVar("T")


def until(condition: Callable[[], T | None], *, seconds: float = 20, what: str) -> T:
    """The first truthy value of `condition`; fails the test if there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what} (last: {value!r})")
        time.sleep(POLL_SECONDS)
    return value

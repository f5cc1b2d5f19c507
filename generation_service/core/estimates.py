"""How long a job may take: a guess from its size; OpenAI promises no more than its 24 hours."""

from datetime import timedelta
from typing import Final

from generation_service.core.limits import BATCH_WINDOW_HOURS

_LOTS_AN_HOUR: Final = 2_500


def expected_duration(lots: int) -> timedelta:
    """From the start of a run that has so many lots to describe."""
    return timedelta(hours=min(BATCH_WINDOW_HOURS, 1 + lots / _LOTS_AN_HOUR))

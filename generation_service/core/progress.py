"""How far a job has come and when it will probably end: guesses for people, from its counters."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from generation_service.core.estimates import expected_duration
from generation_service.core.limits import BATCH_WINDOW_HOURS

_PHOTOS_SHARE: Final = 0.1
_KNOWN_PACE: Final = 0.1  # below it, the pace of a job says nothing yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How much of each stage is settled, from 0 to 1; `translation` is None where none is due."""

    images: float
    vision: float
    translation: float | None

    @property
    def texts(self) -> float:
        """Descriptions and translations are two rounds of about the same time."""
        if self.translation is None:
            return self.vision
        return (self.vision + self.translation) / 2

    @property
    def whole(self) -> float:
        """One number that never goes back while a run lasts."""
        return _PHOTOS_SHARE * self.images + (1 - _PHOTOS_SHARE) * self.texts


def expected_end(*, started: datetime, now: datetime, lots: int, texts: float | None) -> datetime:
    """When a run with so many lots ends: by its pace if that is known, else by its size.

    `texts` is the share that is done since `started`, None if some of it was done before. The
    answer is never in the past, nor beyond OpenAI's 24 hours unless those are over.
    """
    if texts is None or texts < _KNOWN_PACE:
        end = started + expected_duration(lots)
    else:
        end = started + (now - started) / texts
    return max(now, min(end, started + timedelta(hours=BATCH_WINDOW_HOURS)))

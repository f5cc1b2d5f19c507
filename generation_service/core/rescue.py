"""What can become of an answer that OpenAI still holds, given how its request fares here."""

from dataclasses import dataclass
from enum import StrEnum

from generation_service.core.status import (
    DESCRIPTION_ACTIVE,
    JOB_ACTIVE,
    JOB_DELETED,
    DescriptionStatus,
)


class Fate(StrEnum):
    """Only a `rescued` answer changes anything; the others stay where they are."""

    RESCUED = "rescued"
    """Its request failed for want of it."""
    RECORDED = "recorded"
    """Its request has a text."""
    UNDER_WAY = "under_way"
    """Its request was queued or submitted again meanwhile, or waits for this very batch."""
    SUPERSEDED = "superseded"
    """Its request was given up in a later attempt, for a reason of its own."""
    JOB_UNDER_WAY = "job_under_way"
    """Its request failed in a run that goes on: what has failed can't change before its end."""
    CANCELLED = "cancelled"
    """Its request was cancelled."""
    GONE = "gone"
    """Its request was erased with its job, or never was ours."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it stands; `here`: it belongs to the OpenAI batch that is looked at."""

    attempt: int
    status: str
    job_status: str
    here: bool


def fate(asked: Asked | None, attempt: int, retryable: frozenset[str]) -> Fate:  # noqa: PLR0911
    """`attempt` is the one answered; `retryable` are states of jobs that a new run may begin in."""
    if asked is None or asked.job_status == JOB_DELETED:
        return Fate.GONE
    if asked.status == DescriptionStatus.COMPLETED:
        return Fate.RECORDED
    if asked.status == DescriptionStatus.CANCELLED:
        return Fate.CANCELLED
    if asked.status in DESCRIPTION_ACTIVE:
        return Fate.UNDER_WAY
    if not asked.here or asked.attempt != attempt:
        return Fate.SUPERSEDED
    if asked.job_status in JOB_ACTIVE:
        return Fate.JOB_UNDER_WAY
    return Fate.RESCUED if asked.job_status in retryable else Fate.CANCELLED

"""The states of everything, and which change is allowed.

Each table maps a target to the states it may be reached from; `db` puts those sources into the
WHERE of its UPDATE, so that a change that is not listed here cannot happen, whoever comes late.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class JobStatus(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    TRANSLATING = "translating"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class LotStatus(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    TRANSLATING = "translating"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DescriptionStatus(StrEnum):
    QUEUED = "queued"
    SUBMITTED = "submitted"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class OpenAIBatchStatus(StrEnum):
    BUILDING = "building"
    UPLOADED = "uploaded"
    SUBMITTED = "submitted"
    COLLECTING = "collecting"
    SETTLED = "settled"


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Kind(StrEnum):
    """What an OpenAI batch asks for."""

    VISION = "vision"
    TRANSLATION = "translation"


_J, _L, _D, _B, _W = JobStatus, LotStatus, DescriptionStatus, OpenAIBatchStatus, DeliveryStatus

JOB_SOURCES: Final[Mapping[JobStatus, frozenset[JobStatus]]] = {
    _J.PENDING: frozenset(),
    _J.PROCESSING: frozenset({_J.PENDING}),
    _J.TRANSLATING: frozenset({_J.PENDING, _J.PROCESSING}),
    _J.COMPLETED: frozenset({_J.PENDING, _J.PROCESSING, _J.TRANSLATING}),
    _J.FAILED: frozenset({_J.PENDING, _J.PROCESSING, _J.TRANSLATING}),
    _J.CANCELLED: frozenset({_J.PENDING, _J.PROCESSING, _J.TRANSLATING}),
}

LOT_SOURCES: Final[Mapping[LotStatus, frozenset[LotStatus]]] = {
    # back to pending: OpenAI could not download a photo, so the lot is probed once more
    _L.PENDING: frozenset({_L.PROCESSING}),
    _L.PROCESSING: frozenset({_L.PENDING}),
    _L.TRANSLATING: frozenset({_L.PROCESSING}),
    _L.COMPLETED: frozenset({_L.PROCESSING, _L.TRANSLATING}),
    _L.FAILED: frozenset({_L.PENDING, _L.PROCESSING, _L.TRANSLATING}),
    _L.CANCELLED: frozenset({_L.PENDING, _L.PROCESSING, _L.TRANSLATING}),
}

DESCRIPTION_SOURCES: Final[Mapping[DescriptionStatus, frozenset[DescriptionStatus]]] = {
    _D.QUEUED: frozenset({_D.SUBMITTED}),
    _D.SUBMITTED: frozenset({_D.QUEUED}),
    _D.COMPLETED: frozenset({_D.SUBMITTED}),
    _D.FAILED: frozenset({_D.QUEUED, _D.SUBMITTED}),
    _D.CANCELLED: frozenset({_D.QUEUED, _D.SUBMITTED}),
}

OPENAI_BATCH_SOURCES: Final[Mapping[OpenAIBatchStatus, frozenset[OpenAIBatchStatus]]] = {
    # back to building: the upload was fenced off, or a cancelled job's lines must leave it
    _B.BUILDING: frozenset({_B.UPLOADED}),
    _B.UPLOADED: frozenset({_B.BUILDING}),
    _B.SUBMITTED: frozenset({_B.UPLOADED}),
    _B.COLLECTING: frozenset({_B.SUBMITTED}),
    _B.SETTLED: frozenset({_B.BUILDING, _B.UPLOADED, _B.SUBMITTED, _B.COLLECTING}),
}

DELIVERY_SOURCES: Final[Mapping[DeliveryStatus, frozenset[DeliveryStatus]]] = {
    # back to pending: the client asked for it once more
    _W.PENDING: frozenset({_W.PENDING, _W.DELIVERED, _W.FAILED}),
    _W.DELIVERED: frozenset({_W.PENDING}),
    _W.FAILED: frozenset({_W.PENDING}),
}

# An explicit retry begins a new run with what failed, as does an operator who brings in answers
# that were paid for and never recorded; nothing else leads out of a terminal state.
JOB_RETRY_SOURCES: Final[Mapping[JobStatus, frozenset[JobStatus]]] = {
    _J.PENDING: frozenset({_J.COMPLETED, _J.FAILED}),
    _J.PROCESSING: frozenset({_J.COMPLETED, _J.FAILED}),
    _J.TRANSLATING: frozenset({_J.COMPLETED, _J.FAILED}),
}

LOT_RETRY_SOURCES: Final[Mapping[LotStatus, frozenset[LotStatus]]] = {
    # without its English: its photos are probed again
    _L.PENDING: frozenset({_L.FAILED}),
    # its English is there to be read after all
    _L.PROCESSING: frozenset({_L.FAILED}),
    # with it: only the languages that failed are asked for again
    _L.TRANSLATING: frozenset({_L.FAILED}),
}

DESCRIPTION_RETRY_SOURCES: Final[Mapping[DescriptionStatus, frozenset[DescriptionStatus]]] = {
    _D.QUEUED: frozenset({_D.FAILED}),
    # back to the OpenAI batch whose files hold its answer
    _D.SUBMITTED: frozenset({_D.FAILED}),
}

OPENAI_BATCH_RETRY_SOURCES: Final[Mapping[OpenAIBatchStatus, frozenset[OpenAIBatchStatus]]] = {
    _B.COLLECTING: frozenset({_B.SETTLED}),
}

JOB_ACTIVE: Final = frozenset({_J.PENDING, _J.PROCESSING, _J.TRANSLATING})
LOT_ACTIVE: Final = frozenset({_L.PENDING, _L.PROCESSING, _L.TRANSLATING})
DESCRIPTION_ACTIVE: Final = frozenset({_D.QUEUED, _D.SUBMITTED})
JOB_ENDED: Final = frozenset(JobStatus) - JOB_ACTIVE
JOB_DELETED: Final = "deleted"
"""What an ended job becomes when it is deleted: nobody sees it any more, and it is being erased."""

"""A job as it is read from its row."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from generation_service.core.charges import Charge
from generation_service.core.status import JobStatus


@dataclass(frozen=True, slots=True)
class StageCount:
    total: int
    completed: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    id: UUID
    client: str
    status: JobStatus
    run: int
    version: str
    languages: tuple[str, ...]
    metadata: Mapping[str, str] | None
    images: StageCount
    vision: StageCount
    translation: StageCount
    lots_total: int
    lots_settled: int
    lots_failed: int
    error_message: str | None
    created_at: datetime
    updated_at: datetime
    run_started_at: datetime
    completed_at: datetime | None
    charge: Charge
    """What was billed for it so far, in all its runs."""
    estimated_cost_nanos: int | None
    """What it was estimated to cost when it was accepted; None: a model had no price."""
    texts_simulated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedJob:
    """A job whose run has just ended, after so many `seconds`."""

    id: UUID
    client: str
    run: int
    status: JobStatus
    lots_total: int
    lots_failed: int
    seconds: float


COLUMNS = """
    id, client, status, run, version, languages, cardinality(translations) AS translations,
    metadata::text AS metadata, lots_total, lots_settled, lots_failed,
    images_total, images_completed, images_failed, vision_completed, vision_failed,
    translation_completed, translation_failed, error_message, created_at, updated_at,
    run_started_at, completed_at, prompt_tokens, cached_tokens, completion_tokens, cost_nanos,
    estimated_cost_nanos, texts_simulated
"""


def job_of(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        client=row.client,
        status=JobStatus(row.status),
        run=row.run,
        version=row.version,
        languages=tuple(row.languages),
        metadata=None if row.metadata is None else json.loads(row.metadata),
        images=StageCount(row.images_total, row.images_completed, row.images_failed),
        vision=StageCount(row.lots_total, row.vision_completed, row.vision_failed),
        translation=StageCount(
            row.lots_total * row.translations, row.translation_completed, row.translation_failed
        ),
        lots_total=row.lots_total,
        lots_settled=row.lots_settled,
        lots_failed=row.lots_failed,
        error_message=row.error_message,
        created_at=row.created_at,
        updated_at=row.updated_at,
        run_started_at=row.run_started_at,
        completed_at=row.completed_at,
        charge=Charge(
            prompt_tokens=row.prompt_tokens,
            cached_tokens=row.cached_tokens,
            completion_tokens=row.completion_tokens,
            cost_nanos=row.cost_nanos,
        ),
        estimated_cost_nanos=row.estimated_cost_nanos,
        texts_simulated=row.texts_simulated,
    )

"""Jobs, their lots and descriptions: what clients asked for and what came of it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from generation_service.db.models.base import NOW, ZERO, Base


class BatchJob(Base):
    """A client's job. Counters change in the transaction that settles a thing: always true."""

    __tablename__ = "batch_jobs"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client: Mapped[str]
    status: Mapped[str]
    run: Mapped[int] = mapped_column(server_default=sql("1"))
    version: Mapped[str]
    languages: Mapped[list[str]]
    translations: Mapped[list[str]]
    """The languages that are not the source: one translation of each per described lot."""
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    lots_total: Mapped[int]
    lots_probed: Mapped[int] = mapped_column(server_default=ZERO)
    lots_settled: Mapped[int] = mapped_column(server_default=ZERO)
    lots_failed: Mapped[int] = mapped_column(server_default=ZERO)
    lots_described: Mapped[int] = mapped_column(server_default=ZERO)
    """Settled lots with at least one language that was asked for."""
    images_total: Mapped[int] = mapped_column(server_default=ZERO)
    images_completed: Mapped[int] = mapped_column(server_default=ZERO)
    images_failed: Mapped[int] = mapped_column(server_default=ZERO)
    vision_completed: Mapped[int] = mapped_column(server_default=ZERO)
    vision_failed: Mapped[int] = mapped_column(server_default=ZERO)
    translation_completed: Mapped[int] = mapped_column(server_default=ZERO)
    translation_failed: Mapped[int] = mapped_column(server_default=ZERO)
    prompt_tokens: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    cached_tokens: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    completion_tokens: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    cost_nanos: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    """Billionths of a US dollar, of all that was billed for the job in all its runs."""
    texts_simulated: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    estimated_cost_nanos: Mapped[int | None] = mapped_column(BigInteger)
    """What it was estimated at when it was accepted; null where a model has no price."""
    error_message: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)
    completed_at: Mapped[datetime | None]
    run_started_at: Mapped[datetime] = mapped_column(server_default=NOW)
    """When the run was accepted: the 24 hours of its promise count from here."""

    __table_args__ = (
        Index("batch_jobs_newest", "client", sql("created_at DESC"), sql("id DESC")),
        Index("batch_jobs_all_newest", sql("created_at DESC"), sql("id DESC")),
        Index("batch_jobs_by_status", "status", sql("created_at DESC"), sql("id DESC")),
        Index("batch_jobs_of_client", "client", "status", sql("created_at DESC"), sql("id DESC")),
        Index(
            "batch_jobs_active",
            "created_at",
            postgresql_where=sql("status IN ('pending', 'processing', 'translating')"),
        ),
        Index(
            "batch_jobs_ended",
            "completed_at",
            postgresql_where=sql("completed_at IS NOT NULL"),
        ),
    )


class BatchLot(Base):
    """One lot of a job; `position` is its place in the request."""

    __tablename__ = "batch_lots"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("batch_jobs.id", ondelete="CASCADE"))
    position: Mapped[int]
    lot_id: Mapped[str]
    additional_info: Mapped[str | None]
    image_urls: Mapped[list[str]]
    missing_images: Mapped[list[str] | None]
    """Null until the photos were probed."""
    webhook_url: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="pending")
    reprobe: Mapped[bool] = mapped_column(server_default=sql("false"))
    """OpenAI could not download a photo, so they were (or are being) probed a second time."""
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    lease_token: Mapped[UUID | None]
    lease_expires_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("job_id", "position"),
        Index("batch_lots_lot_id", "lot_id", "job_id"),
        Index(
            "batch_lots_failed",
            "job_id",
            "position",
            postgresql_where=sql("status = 'failed'"),
        ),
        Index(
            "batch_lots_pending",
            "job_id",
            "position",
            postgresql_where=sql("status = 'pending'"),
        ),
    )


class ImageProbe(Base):
    """One distinct URL of a job: claimed by its insert, settled when `reachable` is known."""

    __tablename__ = "image_probes"

    job_id: Mapped[UUID] = mapped_column(
        ForeignKey("batch_jobs.id", ondelete="CASCADE"), primary_key=True
    )
    url_hash: Mapped[UUID] = mapped_column(primary_key=True)
    """MD5 of the URL, kept as a uuid: 16 bytes for a key of up to 2,048 characters."""
    reachable: Mapped[bool | None]
    reason: Mapped[str | None]
    lease_token: Mapped[UUID | None]
    lease_expires_at: Mapped[datetime | None]


class Description(Base):
    """One lot in one language: the unit of work and its result. The source row is the vision."""

    __tablename__ = "descriptions"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("batch_jobs.id", ondelete="CASCADE"))
    lot: Mapped[int] = mapped_column(BigInteger, ForeignKey("batch_lots.id", ondelete="CASCADE"))
    kind: Mapped[str]
    language: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="queued")
    attempt: Mapped[int] = mapped_column(server_default=ZERO)
    larger: Mapped[bool] = mapped_column(server_default=sql("false"))
    """The answer was cut off once: the next request has a larger token cap."""
    estimated_tokens: Mapped[int]
    available_at: Mapped[datetime] = mapped_column(server_default=NOW)
    openai_batch: Mapped[UUID | None]
    """No foreign key: it would look up each of 50,000 rows that are claimed, and all descriptions
    for each batch that is forgotten, which no job has a share of any more."""
    lane: Mapped[str] = mapped_column(server_default=sql("'batch'"))
    """How it is asked next, or was asked last: in an OpenAI batch, or by a direct call."""
    lease_token: Mapped[UUID | None]
    """Of a direct call under way: the row is submitted and in no OpenAI batch."""
    lease_expires_at: Mapped[datetime | None]
    damages: Mapped[str | None]
    model: Mapped[str | None]
    generated_by: Mapped[str | None]
    prompt_tokens: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    cached_tokens: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    completion_tokens: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    cost_nanos: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    """Billionths of a US dollar, of all its attempts; 0 also where the model has no price."""
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]

    __table_args__ = (
        UniqueConstraint("lot", "language"),
        Index("descriptions_job", "job_id"),
        Index(
            "descriptions_queued", "kind", "job_id", "id", postgresql_where=sql("status = 'queued'")
        ),
        Index(
            "descriptions_submitted",
            "openai_batch",
            "id",
            postgresql_where=sql("status = 'submitted'"),
        ),
        Index(
            "descriptions_direct",
            "kind",
            "job_id",
            "id",
            postgresql_where=sql("status = 'queued' AND lane = 'direct'"),
        ),
        Index(
            "descriptions_calling",
            "lease_expires_at",
            postgresql_where=sql("status = 'submitted' AND lease_expires_at IS NOT NULL"),
        ),
    )

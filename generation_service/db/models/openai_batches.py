"""Batches at OpenAI and what is known of its limits."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from generation_service.db.models.base import NOW, ZERO, Base


class OpenAIBatch(Base):
    """A batch at OpenAI, ours from before it is created there until every line is settled."""

    __tablename__ = "openai_batches"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    model: Mapped[str]
    status: Mapped[str]
    openai_status: Mapped[str | None]
    openai_id: Mapped[str | None] = mapped_column(unique=True)
    input_file_id: Mapped[str | None]
    output_file_id: Mapped[str | None]
    error_file_id: Mapped[str | None]
    requests: Mapped[int] = mapped_column(server_default=ZERO)
    input_bytes: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    estimated_tokens: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    prompt_tokens: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    completion_tokens: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    errors: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    """What OpenAI said of a batch that failed its validation, or of a refused upload or create."""
    cancel_requested: Mapped[bool] = mapped_column(server_default=sql("false"))
    tries: Mapped[int] = mapped_column(server_default=ZERO)
    """How often OpenAI was asked in vain since the last progress; drives the back-off."""
    next_try_at: Mapped[datetime] = mapped_column(server_default=NOW)
    lease_token: Mapped[UUID | None]
    lease_expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    submitted_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    to_direct: Mapped[bool] = mapped_column(server_default=sql("false"))
    """Cancelled because a deadline is near: what it leaves goes on by direct calls."""
    input_file_deleted_at: Mapped[datetime | None]
    overdue_since: Mapped[datetime | None]
    """When it was first asked about after its time and had not ended."""

    __table_args__ = (
        Index("openai_batches_submitted", "submitted_at"),
        Index("openai_batches_open", "next_try_at", postgresql_where=sql("status <> 'settled'")),
        Index("openai_batches_settled", "settled_at", postgresql_where=sql("status = 'settled'")),
    )


class JobOpenAIBatch(Base):
    """How many of a job's requests one OpenAI batch carries, and what became of them."""

    __tablename__ = "job_openai_batches"

    job_id: Mapped[UUID] = mapped_column(
        ForeignKey("batch_jobs.id", ondelete="CASCADE"), primary_key=True
    )
    openai_batch: Mapped[UUID] = mapped_column(
        ForeignKey("openai_batches.id", ondelete="CASCADE"), primary_key=True
    )
    requests: Mapped[int]
    completed: Mapped[int] = mapped_column(server_default=ZERO)
    failed: Mapped[int] = mapped_column(server_default=ZERO)

    __table_args__ = (Index("job_openai_batches_batch", "openai_batch"),)


class ModelLimit(Base):
    """What OpenAI taught us of a model's enqueued-token limit by refusing a batch."""

    __tablename__ = "model_limits"

    model: Mapped[str] = mapped_column(primary_key=True)
    enqueued_tokens: Mapped[int | None] = mapped_column(BigInteger)
    paused_until: Mapped[datetime] = mapped_column(server_default=NOW)
    learned_at: Mapped[datetime | None]
    """When OpenAI last named the limit."""


class TokenEstimate(Base):
    """What the requests of one kind were estimated at, and what they were billed for."""

    __tablename__ = "token_estimates"

    model: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    estimated_tokens: Mapped[int] = mapped_column(BigInteger)
    prompt_tokens: Mapped[int] = mapped_column(BigInteger)


class OpenAIEvent(Base):
    """An event from OpenAI that was taken in, by its `webhook-id`: none counts twice."""

    __tablename__ = "openai_events"

    id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(server_default=NOW, index=True)

"""Webhook deliveries: the outbox."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from generation_service.db.models.base import NOW, ZERO, Base


class WebhookDelivery(Base):
    """One part of a run's results for one URL: an outbox row, rendered at each attempt."""

    __tablename__ = "webhook_deliveries"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=sql("gen_random_uuid()"))
    batch_job_id: Mapped[UUID] = mapped_column(ForeignKey("batch_jobs.id", ondelete="CASCADE"))
    client: Mapped[str]
    run: Mapped[int]
    webhook_url: Mapped[str]
    host: Mapped[str]
    """Host and port of the URL: attempts at one receiver are limited."""
    part: Mapped[int]
    parts: Mapped[int]
    first_position: Mapped[int]
    last_position: Mapped[int]
    status: Mapped[str] = mapped_column(server_default="pending")
    attempt_count: Mapped[int] = mapped_column(server_default=ZERO)
    signature: Mapped[str | None]
    last_attempt_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None] = mapped_column(server_default=NOW)
    delivered_at: Mapped[datetime | None]
    error_message: Mapped[str | None]
    lease_token: Mapped[UUID | None]
    lease_expires_at: Mapped[datetime | None]

    __table_args__ = (
        # By its hash: a URL may be longer than a B-tree entry.
        Index(
            "webhook_deliveries_once",
            "batch_job_id",
            "run",
            sql("md5(webhook_url)"),
            "part",
            unique=True,
        ),
        Index(
            "webhook_deliveries_due", "next_attempt_at", postgresql_where=sql("status = 'pending'")
        ),
    )


class WebhookAttempt(Base):
    """One attempt at a delivery and what the receiver answered."""

    __tablename__ = "webhook_attempts"

    delivery_id: Mapped[UUID] = mapped_column(
        ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), primary_key=True
    )
    attempt: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    status_code: Mapped[int | None]
    duration_ms: Mapped[int]
    error: Mapped[str | None]
    response: Mapped[str | None]

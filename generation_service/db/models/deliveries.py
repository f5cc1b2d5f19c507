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
    attempts_before: Mapped[int] = mapped_column(server_default=ZERO)
    """Attempts made before the current round: a redelivery begins a round of its own."""
    signature: Mapped[str | None]
    last_attempt_at: Mapped[datetime | None]
    next_attempt_at: Mapped[datetime | None] = mapped_column(server_default=NOW)
    delivered_at: Mapped[datetime | None]
    error_message: Mapped[str | None]
    lease_token: Mapped[UUID | None]
    lease_expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (
        Index("webhook_deliveries_newest", sql("created_at DESC"), sql("id DESC")),
        Index("webhook_deliveries_by_status", "status", sql("created_at DESC"), sql("id DESC")),
        Index("webhook_deliveries_of_client", "client", sql("created_at DESC"), sql("id DESC")),
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
            "webhook_deliveries_due",
            "host",
            "next_attempt_at",
            postgresql_where=sql("status = 'pending'"),
        ),
        Index(
            "webhook_deliveries_claimed",
            "lease_token",
            postgresql_where=sql("lease_token IS NOT NULL"),
        ),
    )


class WebhookEndpoint(Base):
    """A receiver of a client: paused while it refuses for good, its deliveries wait."""

    __tablename__ = "webhook_endpoints"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=sql("gen_random_uuid()"))
    client: Mapped[str]
    url: Mapped[str]
    paused_at: Mapped[datetime | None]
    paused_reason: Mapped[str | None]
    failing_since: Mapped[datetime | None]
    """When the first failure since the last success happened."""
    last_success_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)

    # By its hash: a URL may be longer than a B-tree entry.
    __table_args__ = (Index("webhook_endpoints_once", "client", sql("md5(url)"), unique=True),)


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

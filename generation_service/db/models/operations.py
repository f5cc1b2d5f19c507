"""What the service keeps for itself."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from generation_service.db.models.base import NOW, Base


class IdempotencyKey(Base):
    """A request that was sent before, and its answer (docs/api.md §3).

    `key` is the client's Idempotency-Key or the hash of what was asked; a synchronous request
    holds its row under a lease while it runs.
    """

    __tablename__ = "idempotency_keys"

    client: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[str]
    state: Mapped[str]
    lease_token: Mapped[UUID | None]
    lease_expires_at: Mapped[datetime | None]
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("batch_jobs.id", ondelete="CASCADE"))
    status_code: Mapped[int | None]
    answer: Mapped[str | None]
    """JSON: the document as it was sent, or what an unfinished one has so far."""
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    expires_at: Mapped[datetime]

    __table_args__ = (
        Index("idempotency_keys_expiry", "expires_at"),
        Index("idempotency_keys_job", "job_id"),
    )


class SeenSignature(Base):
    """A scheme-2 signature that ordered something: captured, it must not order it once more.

    `key` is the idempotency key it came with; under that key it is a repetition and harmless.
    """

    __tablename__ = "seen_signatures"

    client: Mapped[str] = mapped_column(primary_key=True)
    signature: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str]
    seen_at: Mapped[datetime] = mapped_column(server_default=NOW)

    __table_args__ = (Index("seen_signatures_age", "seen_at"),)


class RateLimitWindow(Base):
    """How often a client (or an address) did something since `window_start`."""

    __tablename__ = "rate_limit_windows"

    key: Mapped[str] = mapped_column(primary_key=True)
    window_start: Mapped[datetime] = mapped_column(primary_key=True)
    hits: Mapped[int]

    __table_args__ = (Index("rate_limit_windows_age", "window_start"),)


class WorkerHeartbeat(Base):
    """When each stage of each process last ticked; health is judged from this process's rows."""

    __tablename__ = "worker_heartbeats"

    process: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    ticked_at: Mapped[datetime]


class Setting(Base):
    """Values generated once for a deployment, such as its id."""

    __tablename__ = "settings"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]

"""What the service keeps for itself."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from generation_service.db.models.base import NOW, ZERO, Base


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


class UsageHour(Base):
    """What OpenAI billed in an hour; it stays when jobs are deleted."""

    __tablename__ = "usage_hours"

    hour: Mapped[datetime] = mapped_column(primary_key=True)
    client: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    lane: Mapped[str] = mapped_column(primary_key=True)
    """batch, direct (of a job), or sync."""
    model: Mapped[str] = mapped_column(primary_key=True)
    simulated: Mapped[bool] = mapped_column(primary_key=True)
    completed: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    failed: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    prompt_tokens: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    cached_tokens: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    completion_tokens: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    cost_nanos: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    """Billionths of a US dollar."""


class OpenAIErrorHour(Base):
    """How often a call to OpenAI failed in an hour, and how."""

    __tablename__ = "openai_error_hours"

    hour: Mapped[datetime] = mapped_column(primary_key=True)
    api: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    errors: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)


class QueueSample(Base):
    """How much work waited at a moment, and how long the oldest of it had."""

    __tablename__ = "queue_samples"

    at: Mapped[datetime] = mapped_column(primary_key=True)
    queue: Mapped[str] = mapped_column(primary_key=True)
    depth: Mapped[int] = mapped_column(BigInteger)
    oldest_seconds: Mapped[float | None]


class AdminSession(Base):
    """An operator who is logged in; logging out deletes the row."""

    __tablename__ = "admin_sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]

    __table_args__ = (Index("admin_sessions_expiry", "expires_at"),)

"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "batch_jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("languages", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("translations", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("lots_total", sa.Integer(), nullable=False),
        sa.Column("lots_probed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lots_settled", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lots_failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lots_described", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("images_total", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("images_completed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("images_failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("vision_completed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("vision_failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "translation_completed", sa.Integer(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("translation_failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "batch_jobs_active",
        "batch_jobs",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('pending', 'processing', 'translating')"),
    )
    op.create_index(
        "batch_jobs_newest",
        "batch_jobs",
        ["client", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_table(
        "model_limits",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("enqueued_tokens", sa.BigInteger(), nullable=True),
        sa.Column(
            "paused_until",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("model"),
    )
    op.create_table(
        "openai_batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("openai_status", sa.Text(), nullable=True),
        sa.Column("openai_id", sa.Text(), nullable=True),
        sa.Column("input_file_id", sa.Text(), nullable=True),
        sa.Column("output_file_id", sa.Text(), nullable=True),
        sa.Column("error_file_id", sa.Text(), nullable=True),
        sa.Column("requests", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("input_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("estimated_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "completion_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("errors", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "cancel_requested", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "next_try_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("openai_id"),
    )
    op.create_index(
        "openai_batches_open",
        "openai_batches",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("status <> 'settled'"),
    )
    op.create_table(
        "settings",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "worker_heartbeats",
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("ticked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("process", "stage"),
    )
    op.create_table(
        "batch_lots",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("lot_id", sa.Text(), nullable=False),
        sa.Column("additional_info", sa.Text(), nullable=True),
        sa.Column("image_urls", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("missing_images", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("webhook_url", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("reprobe", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["batch_jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("job_id", "position"),
    )
    op.create_index("batch_lots_lot_id", "batch_lots", ["job_id", "lot_id"], unique=False)
    op.create_index(
        "batch_lots_pending",
        "batch_lots",
        ["job_id", "position"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_table(
        "image_probes",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("url_hash", sa.Uuid(), nullable=False),
        sa.Column("reachable", sa.Boolean(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["batch_jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "url_hash"),
    )
    op.create_table(
        "job_openai_batches",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("openai_batch", sa.Uuid(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("completed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["batch_jobs.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["openai_batch"], ["openai_batches.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "openai_batch"),
    )
    op.create_index(
        "job_openai_batches_batch", "job_openai_batches", ["openai_batch"], unique=False
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("batch_job_id", sa.Uuid(), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("webhook_url", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("first_position", sa.Integer(), nullable=False),
        sa.Column("last_position", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempt_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("signature", sa.Text(), nullable=True),
        sa.Column("last_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "next_attempt_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=True,
        ),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("lease_token", sa.Uuid(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["batch_job_id"], ["batch_jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "webhook_deliveries_due",
        "webhook_deliveries",
        ["next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "webhook_deliveries_once",
        "webhook_deliveries",
        ["batch_job_id", "run", sa.literal_column("md5(webhook_url)"), "part"],
        unique=True,
    )
    op.create_table(
        "descriptions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("lot", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="queued", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("larger", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("estimated_tokens", sa.Integer(), nullable=False),
        sa.Column(
            "available_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("openai_batch", sa.Uuid(), nullable=True),
        sa.Column("damages", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("generated_by", sa.Text(), nullable=True),
        sa.Column("prompt_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cached_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "completion_tokens", sa.BigInteger(), server_default=sa.text("0"), nullable=False
        ),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["batch_jobs.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["lot"], ["batch_lots.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["openai_batch"],
            ["openai_batches.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("lot", "language"),
    )
    op.create_index("descriptions_job", "descriptions", ["job_id"], unique=False)
    op.create_index(
        "descriptions_queued",
        "descriptions",
        ["kind", "job_id", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_index(
        "descriptions_submitted",
        "descriptions",
        ["openai_batch", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'submitted'"),
    )
    op.create_table(
        "webhook_attempts",
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("response", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["webhook_deliveries.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("delivery_id", "attempt"),
    )


def downgrade() -> None:
    op.drop_table("webhook_attempts")
    op.drop_index(
        "descriptions_submitted",
        table_name="descriptions",
        postgresql_where=sa.text("status = 'submitted'"),
    )
    op.drop_index(
        "descriptions_queued",
        table_name="descriptions",
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.drop_index("descriptions_job", table_name="descriptions")
    op.drop_table("descriptions")
    op.drop_index("webhook_deliveries_once", table_name="webhook_deliveries")
    op.drop_index(
        "webhook_deliveries_due",
        table_name="webhook_deliveries",
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.drop_table("webhook_deliveries")
    op.drop_index("job_openai_batches_batch", table_name="job_openai_batches")
    op.drop_table("job_openai_batches")
    op.drop_table("image_probes")
    op.drop_index(
        "batch_lots_pending",
        table_name="batch_lots",
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.drop_index("batch_lots_lot_id", table_name="batch_lots")
    op.drop_table("batch_lots")
    op.drop_table("worker_heartbeats")
    op.drop_table("settings")
    op.drop_index(
        "openai_batches_open",
        table_name="openai_batches",
        postgresql_where=sa.text("status <> 'settled'"),
    )
    op.drop_table("openai_batches")
    op.drop_table("model_limits")
    op.drop_index("batch_jobs_newest", table_name="batch_jobs")
    op.drop_index(
        "batch_jobs_active",
        table_name="batch_jobs",
        postgresql_where=sa.text("status IN ('pending', 'processing', 'translating')"),
    )
    op.drop_table("batch_jobs")

"""Runs, direct calls, learned estimates, events from OpenAI."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _runs()
    _direct_calls()
    _openai_batches()
    _learned()


def _runs() -> None:
    op.add_column(
        "batch_jobs",
        sa.Column(
            "run_started_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    )
    op.execute("UPDATE batch_jobs SET run_started_at = created_at")
    op.create_index(
        "batch_jobs_ended",
        "batch_jobs",
        ["completed_at"],
        postgresql_where=sa.text("completed_at IS NOT NULL"),
    )


def _direct_calls() -> None:
    op.drop_constraint("descriptions_openai_batch_fkey", "descriptions")
    op.add_column(
        "descriptions",
        sa.Column("lane", sa.Text(), server_default=sa.text("'batch'"), nullable=False),
    )
    op.add_column("descriptions", sa.Column("lease_token", sa.Uuid(), nullable=True))
    op.add_column(
        "descriptions", sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.create_index(
        "descriptions_direct",
        "descriptions",
        ["kind", "job_id", "id"],
        postgresql_where=sa.text("status = 'queued' AND lane = 'direct'"),
    )
    op.create_index(
        "descriptions_calling",
        "descriptions",
        ["lease_expires_at"],
        postgresql_where=sa.text("status = 'submitted' AND lease_expires_at IS NOT NULL"),
    )


def _openai_batches() -> None:
    op.add_column(
        "openai_batches",
        sa.Column("to_direct", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column(
        "openai_batches",
        sa.Column("input_file_deleted_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.add_column(
        "openai_batches", sa.Column("overdue_since", sa.DateTime(timezone=True), nullable=True)
    )
    op.create_index("openai_batches_submitted", "openai_batches", ["submitted_at"])


def _learned() -> None:
    op.add_column(
        "model_limits", sa.Column("learned_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.create_table(
        "token_estimates",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("estimated_tokens", sa.BigInteger(), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("model", "kind"),
    )
    op.create_table(
        "openai_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_openai_events_received_at", "openai_events", ["received_at"])


def downgrade() -> None:
    op.drop_table("openai_events")
    op.drop_table("token_estimates")
    op.drop_column("model_limits", "learned_at")
    op.drop_index("openai_batches_submitted", "openai_batches")
    op.drop_column("openai_batches", "overdue_since")
    op.drop_column("openai_batches", "input_file_deleted_at")
    op.drop_column("openai_batches", "to_direct")
    op.drop_index("descriptions_calling", "descriptions")
    op.drop_index("descriptions_direct", "descriptions")
    op.create_foreign_key(None, "descriptions", "openai_batches", ["openai_batch"], ["id"])
    op.drop_column("descriptions", "lease_expires_at")
    op.drop_column("descriptions", "lease_token")
    op.drop_column("descriptions", "lane")
    op.drop_index("batch_jobs_ended", "batch_jobs")
    op.drop_column("batch_jobs", "run_started_at")

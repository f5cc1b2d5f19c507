"""Tokens and cost by job and by hour, queue samples, sessions and indexes of the admin pages."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_MONEY = ("prompt_tokens", "cached_tokens", "completion_tokens", "cost_nanos")


def upgrade() -> None:
    _money()
    _charts()
    _forgetting()
    _admin()


def _money() -> None:
    for name in (*_MONEY, "texts_simulated"):
        op.add_column("batch_jobs", _counter(name))
    op.add_column("batch_jobs", sa.Column("estimated_cost_nanos", sa.BigInteger(), nullable=True))
    op.add_column("descriptions", _counter("cost_nanos"))
    op.create_table(
        "usage_hours",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        _counter("completed"),
        _counter("failed"),
        *map(_counter, _MONEY),
        sa.PrimaryKeyConstraint("hour", "client", "kind", "lane", "model", "simulated"),
    )


def _charts() -> None:
    op.create_table(
        "openai_error_hours",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("api", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        _counter("errors"),
        sa.PrimaryKeyConstraint("hour", "api", "code"),
    )
    op.create_table(
        "queue_samples",
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("depth", sa.BigInteger(), nullable=False),
        sa.Column("oldest_seconds", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("at", "queue"),
    )


def _forgetting() -> None:
    op.create_index(
        "openai_batches_settled",
        "openai_batches",
        ["settled_at"],
        postgresql_where=sa.text("status = 'settled'"),
    )


def _admin() -> None:
    op.create_table(
        "admin_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("admin_sessions_expiry", "admin_sessions", ["expires_at"])
    op.add_column(
        "webhook_deliveries",
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    )
    newest = [sa.text("created_at DESC"), sa.text("id DESC")]
    op.create_index("webhook_deliveries_newest", "webhook_deliveries", newest)
    op.create_index("webhook_deliveries_by_status", "webhook_deliveries", ["status", *newest])
    op.create_index("batch_jobs_all_newest", "batch_jobs", newest)
    op.create_index("batch_jobs_by_status", "batch_jobs", ["status", *newest])
    op.create_index("batch_jobs_of_client", "batch_jobs", ["client", "status", *newest])
    op.drop_index("batch_lots_lot_id", "batch_lots")
    op.create_index("batch_lots_lot_id", "batch_lots", ["lot_id", "job_id"])
    op.create_index(
        "batch_lots_failed",
        "batch_lots",
        ["job_id", "position"],
        postgresql_where=sa.text("status = 'failed'"),
    )


def _counter(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False)


def downgrade() -> None:
    op.drop_index("batch_lots_failed", "batch_lots")
    op.drop_index("batch_lots_lot_id", "batch_lots")
    op.create_index("batch_lots_lot_id", "batch_lots", ["job_id", "lot_id"])
    op.drop_index("batch_jobs_of_client", "batch_jobs")
    op.drop_index("batch_jobs_by_status", "batch_jobs")
    op.drop_index("batch_jobs_all_newest", "batch_jobs")
    op.drop_index("webhook_deliveries_by_status", "webhook_deliveries")
    op.drop_index("webhook_deliveries_newest", "webhook_deliveries")
    op.drop_column("webhook_deliveries", "created_at")
    op.drop_table("admin_sessions")
    op.drop_index("openai_batches_settled", "openai_batches")
    op.drop_table("queue_samples")
    op.drop_table("openai_error_hours")
    op.drop_table("usage_hours")
    op.drop_column("descriptions", "cost_nanos")
    op.drop_column("batch_jobs", "estimated_cost_nanos")
    for name in (*_MONEY, "texts_simulated"):
        op.drop_column("batch_jobs", name)

"""An index for the operators' list of one client's deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "webhook_deliveries_of_client",
        "webhook_deliveries",
        ["client", sa.text("created_at DESC"), sa.text("id DESC")],
    )


def downgrade() -> None:
    op.drop_index("webhook_deliveries_of_client", "webhook_deliveries")

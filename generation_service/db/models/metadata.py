"""All tables together, as alembic and Flask-SQLAlchemy want them."""

from generation_service.db.models import deliveries, openai_batches, operations, work
from generation_service.db.models.base import Base

TABLES = (work.BatchJob, openai_batches.OpenAIBatch, deliveries.WebhookDelivery, operations.Setting)
METADATA = Base.metadata

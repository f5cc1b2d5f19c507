"""Runs the migrations on the connection that `generation_service.db.engine.migrate` hands in."""

from alembic import context

from generation_service.db.models.metadata import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()

"""What Alembic runs: the connection comes from ``store.engine.migrate``."""

from __future__ import annotations

from alembic import context

from cafepick.server.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
context.run_migrations()

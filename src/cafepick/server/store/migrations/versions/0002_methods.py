"""Models know several methods, and a check remembers the one that judged it; before, there was ``exact`` alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns; what is there already was judged by ``exact``.

    The defaults stay: to take them away, SQLite would have to make ``checks`` anew, and dropping the old table takes
    the corrections along.
    """
    op.add_column("models", sa.Column("methods", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("checks", sa.Column("method", sa.String(length=8), nullable=False, server_default="exact"))
    columns = (sa.column("id", sa.String), sa.column("calibration_subjects", sa.Integer), sa.column("methods", sa.JSON))
    models = sa.table("models", *columns)
    connection = op.get_bind()
    for key, subjects in connection.execute(sa.select(models.c.id, models.c.calibration_subjects)).all():
        connection.execute(sa.update(models).where(models.c.id == key).values(methods={"exact": subjects}))


def downgrade() -> None:
    """Remove the columns."""
    op.drop_column("checks", "method")
    op.drop_column("models", "methods")

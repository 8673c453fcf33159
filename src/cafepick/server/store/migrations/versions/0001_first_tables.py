"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "models",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created", sa.String(length=27), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("checksum", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=8), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("calibration_subjects", sa.Integer(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("training_id", sa.String(length=32), nullable=True),
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
    )
    op.create_index(op.f("ix_models_checksum"), "models", ["checksum"], unique=False)
    op.create_index(op.f("ix_models_created"), "models", ["created"], unique=False)
    op.create_table(
        "photos",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("format", sa.String(length=8), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.String(length=27), nullable=False),
        sa.Column("beans", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("finder", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_photos")),
    )
    op.create_index(op.f("ix_photos_created"), "photos", ["created"], unique=False)
    op.create_table(
        "trainings",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("created", sa.String(length=27), nullable=False),
        sa.Column("started", sa.String(length=27), nullable=True),
        sa.Column("finished", sa.String(length=27), nullable=True),
        sa.Column("wish", sa.JSON(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.String(length=32), nullable=True),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trainings")),
    )
    op.create_index(op.f("ix_trainings_created"), "trainings", ["created"], unique=False)
    op.create_index(op.f("ix_trainings_state"), "trainings", ["state"], unique=False)
    op.create_index(op.f("ix_trainings_station"), "trainings", ["station"], unique=False)
    op.create_table(
        "checks",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("batch", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("created", sa.String(length=27), nullable=False),
        sa.Column("finished", sa.String(length=27), nullable=True),
        sa.Column("station", sa.String(length=32), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("photo_id", sa.String(length=64), nullable=False),
        sa.Column("model_id", sa.String(length=32), nullable=False),
        sa.Column("model", sa.JSON(), nullable=False),
        sa.Column("model_name", sa.String(length=200), nullable=False),
        sa.Column("lot", sa.String(length=200), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("reviewed", sa.Boolean(), nullable=False),
        sa.Column("false_reject", sa.Float(), nullable=False),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("beans", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("empty", sa.Boolean(), nullable=False),
        sa.Column("ok", sa.Integer(), nullable=False),
        sa.Column("ng", sa.Integer(), nullable=False),
        sa.Column("cut", sa.Integer(), nullable=False),
        sa.Column("ok_area", sa.Float(), nullable=False),
        sa.Column("ng_area", sa.Float(), nullable=False),
        sa.Column("fixed_ok", sa.Integer(), nullable=False),
        sa.Column("fixed_ng", sa.Integer(), nullable=False),
        sa.Column("fixed_ok_area", sa.Float(), nullable=False),
        sa.Column("fixed_ng_area", sa.Float(), nullable=False),
        sa.Column("said_fine", sa.Integer(), nullable=False),
        sa.Column("said_bad", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name=op.f("fk_checks_photo_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checks")),
    )
    op.create_index(op.f("ix_checks_batch"), "checks", ["batch"], unique=False)
    op.create_index("ix_checks_created_id", "checks", ["created", "id"], unique=False)
    op.create_index(op.f("ix_checks_lot"), "checks", ["lot"], unique=False)
    op.create_index(op.f("ix_checks_model_id"), "checks", ["model_id"], unique=False)
    op.create_index(op.f("ix_checks_photo_id"), "checks", ["photo_id"], unique=False)
    op.create_index("ix_checks_station_state", "checks", ["station", "state"], unique=False)
    op.create_table(
        "training_photos",
        sa.Column("training_id", sa.String(length=32), nullable=False),
        sa.Column("photo_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name=op.f("fk_training_photos_photo_id")),
        sa.ForeignKeyConstraint(
            ["training_id"], ["trainings.id"], name=op.f("fk_training_photos_training_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("training_id", "photo_id", name=op.f("pk_training_photos")),
    )
    op.create_index(op.f("ix_training_photos_photo_id"), "training_photos", ["photo_id"], unique=False)
    op.create_table(
        "corrections",
        sa.Column("check_id", sa.String(length=32), nullable=False),
        sa.Column("bean", sa.Integer(), nullable=False),
        sa.Column("correction", sa.String(length=4), nullable=False),
        sa.Column("created", sa.String(length=27), nullable=False),
        sa.ForeignKeyConstraint(["check_id"], ["checks.id"], name=op.f("fk_corrections_check_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("check_id", "bean", name=op.f("pk_corrections")),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("corrections")
    op.drop_index(op.f("ix_training_photos_photo_id"), table_name="training_photos")
    op.drop_table("training_photos")
    op.drop_index("ix_checks_station_state", table_name="checks")
    op.drop_index(op.f("ix_checks_photo_id"), table_name="checks")
    op.drop_index(op.f("ix_checks_model_id"), table_name="checks")
    op.drop_index(op.f("ix_checks_lot"), table_name="checks")
    op.drop_index("ix_checks_created_id", table_name="checks")
    op.drop_index(op.f("ix_checks_batch"), table_name="checks")
    op.drop_table("checks")
    op.drop_index(op.f("ix_trainings_station"), table_name="trainings")
    op.drop_index(op.f("ix_trainings_state"), table_name="trainings")
    op.drop_index(op.f("ix_trainings_created"), table_name="trainings")
    op.drop_table("trainings")
    op.drop_index(op.f("ix_photos_created"), table_name="photos")
    op.drop_table("photos")
    op.drop_index(op.f("ix_models_created"), table_name="models")
    op.drop_index(op.f("ix_models_checksum"), table_name="models")
    op.drop_table("models")

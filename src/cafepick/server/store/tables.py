"""The tables. Moments are text (``clock``), ids lower-case hexadecimal; migrations in ``migrations/versions``."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Float, ForeignKey, Index, Integer, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """What all tables share: names of indices and keys that do not depend on the database."""

    metadata = MetaData(naming_convention=NAMES)


class Photo(Base):
    """A photo by its content."""

    __tablename__ = "photos"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the file."""
    name: Mapped[str] = mapped_column(String(200))
    format: Mapped[str] = mapped_column(String(8))
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    bytes: Mapped[int] = mapped_column(BigInteger)
    created: Mapped[str] = mapped_column(String(27), index=True)
    beans: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True, deferred=True)
    """What ``cafepick.beans`` found, once somebody asked."""
    finder: Mapped[str | None] = mapped_column(String(40))
    """Version that found it."""


class Model(Base):
    """A model file and what it says of itself."""

    __tablename__ = "models"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    created: Mapped[str] = mapped_column(String(27), index=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    checksum: Mapped[str] = mapped_column(String(64), index=True)
    subject: Mapped[str] = mapped_column(String(8))
    size: Mapped[int] = mapped_column(Integer)
    channels: Mapped[int] = mapped_column(Integer)
    calibration_subjects: Mapped[int] = mapped_column(Integer)
    """Of the quickest method."""
    methods: Mapped[Any] = mapped_column(JSON, server_default="{}")
    """Method -> good subjects that set its threshold; the methods without a threshold are left out."""
    facts: Mapped[Any] = mapped_column(JSON)
    training_id: Mapped[str | None] = mapped_column(String(32))
    station: Mapped[str] = mapped_column(String(32))


class Training(Base):
    """A training, from the wish to the model."""

    __tablename__ = "trainings"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(10), index=True)
    created: Mapped[str] = mapped_column(String(27), index=True)
    started: Mapped[str | None] = mapped_column(String(27))
    finished: Mapped[str | None] = mapped_column(String(27))
    wish: Mapped[Any] = mapped_column(JSON)
    """What the client asked for."""
    progress: Mapped[Any] = mapped_column(JSON)
    """The last that is known of it; while it runs, its folder knows more."""
    attempts: Mapped[int] = mapped_column(Integer)
    """Times it was started without getting further."""
    model_id: Mapped[str | None] = mapped_column(String(32))
    error: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    station: Mapped[str] = mapped_column(String(32), index=True)


class TrainingPhoto(Base):
    """Which photos a training learns from."""

    __tablename__ = "training_photos"

    training_id: Mapped[str] = mapped_column(ForeignKey("trainings.id", ondelete="CASCADE"), primary_key=True)
    photo_id: Mapped[str] = mapped_column(ForeignKey("photos.id"), primary_key=True, index=True)


class Check(Base):
    """One photo judged by one model."""

    __tablename__ = "checks"
    __table_args__ = (
        Index("ix_checks_created_id", "created", "id"),
        Index("ix_checks_station_state", "station", "state"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    batch: Mapped[str] = mapped_column(String(32), index=True)
    state: Mapped[str] = mapped_column(String(10))
    created: Mapped[str] = mapped_column(String(27))
    finished: Mapped[str | None] = mapped_column(String(27))
    station: Mapped[str] = mapped_column(String(32))
    attempts: Mapped[int] = mapped_column(Integer)
    photo_id: Mapped[str] = mapped_column(ForeignKey("photos.id"), index=True)
    model_id: Mapped[str] = mapped_column(String(32), index=True)
    """No foreign key: a check outlives its model."""
    model: Mapped[Any] = mapped_column(JSON)
    """Name, subject, checksum and calibration subjects of the model, as they were."""
    model_name: Mapped[str] = mapped_column(String(200))
    method: Mapped[str] = mapped_column(String(8), server_default="exact")
    """How the good subject behind each was found: ``fast``, ``refine`` or ``exact``."""
    lot: Mapped[str] = mapped_column(String(200), index=True)
    note: Mapped[str] = mapped_column(Text)
    reviewed: Mapped[bool] = mapped_column(Boolean)
    false_reject: Mapped[float] = mapped_column(Float)
    error: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True)
    warnings: Mapped[Any] = mapped_column(JSON)
    beans: Mapped[Any] = mapped_column(JSON(none_as_null=True), nullable=True, deferred=True)
    """What was judged, without the mark OK or NG, which follows from p-value and rate."""
    empty: Mapped[bool] = mapped_column(Boolean)
    """Judged, and no bean was found."""
    ok: Mapped[int] = mapped_column(Integer)
    """Beans; with ``ng`` and ``cut``, and the areas, see ``marks.Tally``."""
    ng: Mapped[int] = mapped_column(Integer)
    cut: Mapped[int] = mapped_column(Integer)
    ok_area: Mapped[float] = mapped_column(Float)
    ng_area: Mapped[float] = mapped_column(Float)
    fixed_ok: Mapped[int] = mapped_column(Integer)
    """The same after the operator's corrections."""
    fixed_ng: Mapped[int] = mapped_column(Integer)
    fixed_ok_area: Mapped[float] = mapped_column(Float)
    fixed_ng_area: Mapped[float] = mapped_column(Float)
    said_fine: Mapped[int] = mapped_column(Integer)
    said_bad: Mapped[int] = mapped_column(Integer)


class Correction(Base):
    """What the operator says of one bean."""

    __tablename__ = "corrections"

    check_id: Mapped[str] = mapped_column(ForeignKey("checks.id", ondelete="CASCADE"), primary_key=True)
    bean: Mapped[int] = mapped_column(Integer, primary_key=True)
    correction: Mapped[str] = mapped_column(String(4))
    created: Mapped[str] = mapped_column(String(27))

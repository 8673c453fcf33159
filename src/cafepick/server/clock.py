"""Moments as text that sorts by time, the same in every database."""

from __future__ import annotations

from datetime import datetime, timezone


def now() -> str:
    """Return the present as ``2026-03-14T15:09:26.535897Z``."""
    return text_of(datetime.now(timezone.utc))


def text_of(moment: datetime) -> str:
    """Return a moment as text; one without a time zone counts as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return aware.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

"""How many cores there are to work with."""

from __future__ import annotations

import os


def cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on Windows and macOS
    return (len(affinity(0)) if affinity else os.cpu_count()) or 1

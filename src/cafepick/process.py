"""How a process that is cafepick's own uses memory and cores. Commands ask for it; libraries do not decide this."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h
LARGEST: Final = 32 << 20
"""Bytes of the largest block that is kept; glibc takes no more."""
MOST: Final = 128 << 20
"""Bytes that are kept at most in one piece."""


def prepare_process() -> None:
    """Do what makes a process quick that computes on small images. To be called before NumPy is imported.

    What runs on several cores here are images side by side. NumPy's own threads would share the small matrices of one
    image and wait for each other: with two of them, the appearance takes three times as long to learn.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    keep_freed_memory()


def in_forked_child(work: Callable[[], object]) -> None:
    """Have ``work`` done in each process that is forked from this one: threads stay behind, and locks held by them.

    Where processes do not fork (Windows), nothing happens.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=work)


def keep_freed_memory() -> None:
    """Keep the memory of arrays that are gone for the next ones.

    Photos, crops and feature maps of some megabytes come and go all the time. glibc gives each such block back to the
    system, which has to clear and map every page anew for the next: a tenth of the time in which beans are found.
    Elsewhere nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, LARGEST)
        mallopt(TRIM_THRESHOLD, MOST)

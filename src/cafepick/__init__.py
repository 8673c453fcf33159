"""Teach a camera to hand-pick coffee: trained on good beans only, see which beans to pick out, where and how sure."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cafepick.detector import Detector
    from cafepick.errors import CafepickError
    from cafepick.types import Verdict

__version__ = "0.1.0"
__all__ = ["CafepickError", "Detector", "Verdict", "__version__"]

_HOME = {"Detector": "cafepick.detector", "CafepickError": "cafepick.errors", "Verdict": "cafepick.types"}


def __getattr__(name: str) -> object:
    """Import public names on first use, so that ``import cafepick`` and ``cafepick --help`` stay quick."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

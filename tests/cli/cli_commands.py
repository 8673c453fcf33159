"""How the tests of the command line run commands, and how small a model they teach."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

SETTINGS = ("model.width=8", "gan.batch=8", "gan.checkpoint_every=4", "search.steps=4")
TINY = ["--recipe", "quick", "--size", "32", "--steps", "12", "--hold-back", "0.4"]
TINY += [word for setting in SETTINGS for word in ("--set", setting)]

CAFEPICK = [sys.executable, "-m", "cafepick.cli.app"]
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str


Run = Callable[..., Ran]

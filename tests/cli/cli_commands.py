"""How the tests of the command line run commands, and how small a model they teach."""

from __future__ import annotations

import os
import subprocess
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


DYING = """
import os
import cafepick.jobs.journal as module
from cafepick.cli.app import main

add = module.Journal.add

def add_and_die(self, image, *record, **more):
    add(self, image, *record, **more)
    if image.endswith({last!r}):
        os.kill(os.getpid(), 9)

module.Journal.add = add_and_die
main()
"""


def killed_after(last: str, *words: object) -> None:
    """Run a command in a process that is killed as soon as the photo whose name ends so is recorded."""
    ran = subprocess.run(
        [sys.executable, "-c", DYING.format(last=last), *map(str, words)], check=False, capture_output=True, text=True
    )
    assert ran.returncode == -9, ran.stderr

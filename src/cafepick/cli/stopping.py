"""Ctrl-C and ``kill`` ask a long job to stop at the next safe point; a second Ctrl-C stops at once.

A job with something to save asks whether to stop where it is safe. Stages before and after, such as finding beans and
calibrating, write nothing until they are done, so there the command simply ends at its next report of progress.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import typer

from cafepick.cli.progress import progress

if TYPE_CHECKING:
    from cafepick.jobs.gather import Progress

STOPPED = 130
"""Exit status after Ctrl-C or ``kill``, as shells have it."""


@contextmanager
def stoppable(
    *saves: str, then: Callable[[], str] = lambda: "nothing was written"
) -> Iterator[tuple[Progress, Callable[[], bool]]]:
    """Yield ``progress()``, and a function that says whether the user asked to stop.

    Args:
        saves: stages whose job asks for itself whether to stop; in all others the next report ends the command.
        then: says how things stand after such an end.

    Raises:
        typer.Exit: with status 130, after a message, when the user stopped the command.
    """
    with progress() as report, stop_on_signal() as stopping:
        reached = ""

        def report_and_ask(stage: str, done: int, total: int) -> None:
            nonlocal reached
            reached = stage
            report(stage, done, total)
            if stage not in saves and stopping():
                raise KeyboardInterrupt

        try:
            yield report_and_ask, stopping
        except KeyboardInterrupt as end:
            where = f" while {reached}" if reached else ""
            sys.stderr.write(f"stopped{where}: {then()}\n")
            raise typer.Exit(STOPPED) from end


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether the user asked to stop (SIGINT or SIGTERM)."""
    asked = False

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        sys.stderr.write("\nstopping at the next safe point; press Ctrl-C again to stop at once\n")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

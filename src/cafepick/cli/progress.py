"""Progress on the terminal: a bar with rate and time left, or, into a file or pipe, a line every few seconds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from rich.progress import TaskID

    from cafepick.jobs.gather import Progress as Report

SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def progress() -> Iterator[Report]:
    """Yield a function ``report(stage, done, total)`` that shows how far each stage is, on stderr."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console) as bars:
        yield _Bars(bars)


class _Bars:
    """A bar for each stage."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._clock = _Clock()

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total, rate="")
        rate = self._clock.rate(stage, done)
        self._bars.update(self._tasks[stage], completed=done, total=total, rate=f"{rate:.1f}/s" if rate else "")


class _Lines:
    """A line every few seconds and at the end of each stage."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._clock = _Clock()
        self._last = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        rate = self._clock.rate(stage, done)
        now = time.monotonic()
        if done < total and now - self._last < SECONDS_BETWEEN_LINES:
            return
        self._last = now
        left = f", {rate:.1f}/s, {(total - done) / rate:.0f} s left" if rate else ""
        self._console.print(f"{stage}: {done}/{total}{left}", highlight=False)


class _Clock:
    """Mean rate of each stage since its first report, so that work done before a resume does not count."""

    def __init__(self) -> None:
        self._start: dict[str, tuple[float, int]] = {}

    def rate(self, stage: str, done: int) -> float | None:
        """Return units per second, or None before the second report."""
        began, first = self._start.setdefault(stage, (time.monotonic(), done))
        seconds = time.monotonic() - began
        return (done - first) / seconds if done > first and seconds > 0 else None

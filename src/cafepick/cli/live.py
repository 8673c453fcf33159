"""What ``watch`` shows while it runs: a table of the latest beans, or, into a file or pipe, a line each."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cafepick.errors import OutputError
from cafepick.watch.outlets import write_to

if TYPE_CHECKING:
    from cafepick.watch.latency import Summary
    from cafepick.watch.records import Result

ROWS = 15
COLOURS = {"OK": "green", "NG": "bold red", "CUT": "dim"}
COLUMNS = ("bean", "verdict", "p", "score", "views", "x px", "y px", "leaves at s", "± ms", "took ms")


class Screen(Protocol):
    """Where results are shown; may be used from several threads."""

    def result(self, result: Result) -> None:
        """Show a bean."""
        ...

    def progress(self, summary: Summary) -> None:
        """Show how it goes."""
        ...

    def notice(self, text: str) -> None:
        """Tell something that the user should know."""
        ...


@contextmanager
def screen(*, quiet: bool) -> Iterator[Screen]:
    """Yield a table on a terminal, lines elsewhere; ``quiet`` shows no beans, as stdout belongs to the JSON lines."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield _Lines(quiet=quiet)
        return
    with Live(console=console, refresh_per_second=5) as live:
        table = _Table(live)
        yield table
        table.end()


def to_stdout(line: str) -> None:
    """Write a line that others read as it comes.

    Raises:
        OutputError: nobody reads any more, or the disk is full.
    """
    try:
        write_to(sys.stdout, line)
    except OutputError:
        with suppress(OSError):  # what is still buffered would fail once more at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def cells(result: Result) -> tuple[str, ...]:
    """Return a bean as the cells of a row."""
    leaves = result.leaves
    return (
        str(result.bean),
        result.judgement.value,
        "" if result.p_value is None else f"{result.p_value:.4f}",
        "" if result.score is None else f"{result.score:.4g}",
        str(len(result.view_p_values)),
        f"{result.box.x + result.box.width / 2:.0f}",
        f"{result.box.y + result.box.height / 2:.0f}",
        "" if leaves is None else f"{leaves.seconds:.4f}",
        "" if leaves is None else f"{1000 * leaves.seconds_sd:.2f}",
        f"{1000 * result.latency:.1f}",
    )


def in_words(summary: Summary) -> str:
    """Say in one line how it goes."""
    counts = ", ".join(f"{name} {count}" for name, count in summary.verdicts.items())
    rate = summary.frames / summary.seconds if summary.seconds else 0.0
    words = f"{summary.beans} beans ({counts}) in {summary.frames} frames, {rate:.1f} frames/s"
    if summary.latency is not None:
        p50, p99, jitter = summary.latency
        words += f"; frame to verdict p50 {p50:.1f} ms, p99 {p99:.1f} ms, jitter {jitter:.1f} ms"
    if summary.late:
        words += f"; {summary.late} verdicts came too late for the ejector"
    return words


def dropped_in_words(summary: Summary, dropped_before: int = 0) -> str | None:
    """Say that frames were dropped, if any were."""
    new = summary.dropped - dropped_before
    if not new:
        return None
    share = summary.dropped / (summary.dropped + summary.frames)
    return f"cannot keep up: {new} frames dropped, {summary.dropped} in all ({share:.0%}); beans may be missed"


class _Lines:
    """A line a bean on stdout, the rest on stderr."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._dropped = 0
        self._headed = False

    def result(self, result: Result) -> None:
        if self._quiet:
            return
        if not self._headed:
            self._headed = True
            to_stdout("\t".join(COLUMNS))
        to_stdout("\t".join(cells(result)))

    def progress(self, summary: Summary) -> None:
        self.notice(in_words(summary))
        dropped = dropped_in_words(summary, self._dropped)
        self._dropped = summary.dropped
        if dropped:
            self.notice(f"warning: {dropped}")

    def notice(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")


class _Table:
    """The latest beans, how it goes, and what went wrong."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._rows: deque[tuple[str, ...]] = deque(maxlen=ROWS)
        self._state: list[Text] = []
        self._lock = Lock()
        self._dropped = 0

    def result(self, result: Result) -> None:
        with self._lock:
            self._rows.append(cells(result))
            self._draw()

    def progress(self, summary: Summary) -> None:
        dropped = dropped_in_words(summary, self._dropped)
        self._dropped = summary.dropped
        with self._lock:
            self._state = [Text(part) for part in in_words(summary).split("; ")]
            self._state += [Text(dropped, style="yellow")] if dropped else []
            self._draw()

    def notice(self, text: str) -> None:
        self._live.console.print(Text(text))

    def end(self) -> None:
        """Leave the table alone; the summary, which comes next, says how it went."""
        with self._lock:
            self._state = []
            self._draw()

    def _draw(self) -> None:
        table = Table(*COLUMNS)
        for row in self._rows:
            table.add_row(*row, style=COLOURS.get(row[1]))
        self._live.update(Group(table, *self._state))

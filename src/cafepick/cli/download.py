"""``cafepick download``: fetch the public data sets of the examples."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from cafepick.data.fetch import Report

SECONDS_BETWEEN_LINES = 5.0


def download(
    names: Annotated[list[str], typer.Argument(help="What to fetch: mnist, celebA, lsun.")],
    data_dir: Annotated[Path, typer.Option(help="Folder that gets a folder for each.")] = Path("data"),
    mirror: Annotated[
        str | None, typer.Option(help="Fetch from here instead, e.g. http://192.168.1.5/mnist; checksums still count.")
    ] = None,
) -> None:
    """Fetch public data sets, verified; run again to go on after an interruption."""
    from cafepick.data.download import download as fetch_dataset
    from cafepick.data.download import from_mirror, named_dataset

    datasets = {name: named_dataset(name) for name in names}  # a misspelt name is told before anything is fetched
    if mirror is not None:
        datasets = {name: from_mirror(dataset, mirror) for name, dataset in datasets.items()}
    for name, dataset in datasets.items():
        with _progress() as report:
            done = fetch_dataset(dataset, data_dir / name, report=report)
        state = "already there" if done.already else "done"
        typer.echo(f"{name}: {state}, {done.files} files in {done.folder}")
        if dataset.note:
            typer.echo(dataset.note)


@contextmanager
def _progress() -> Iterator[Report]:
    """Yield a report that shows a bar for each file on a terminal, or a line every few seconds elsewhere."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(console)
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bars:
        tasks = {}

        def report(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, completed=done, total=total)
            bars.update(tasks[name], completed=done, total=total)

        yield report


def _lines(console: Console) -> Report:
    began: dict[str, tuple[float, int]] = {}
    last = 0.0

    def report(name: str, done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        start, first = began.setdefault(name, (now, done))
        if done != total and now - last < SECONDS_BETWEEN_LINES:
            return
        last = now
        console.print(_line(name, done, total, (done - first) / (now - start) if now > start else 0.0), highlight=False)

    return report


def _line(name: str, done: int, total: int | None, rate: float) -> str:
    """Say how far a file is; ``rate`` in bytes per second, 0 where it is not known."""
    share = "" if total is None else f" of {total / 1e6:.1f}"
    left = f", {(total - done) / rate:.0f} s left" if total is not None and rate > 0 else ""
    return f"{name}: {done / 1e6:.1f}{share} MB" + (f", {rate / 1e6:.1f} MB/s" if rate > 0 else "") + left

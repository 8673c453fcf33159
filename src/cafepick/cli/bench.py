"""``cafepick bench``: how fast a model is on this machine, stage by stage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cafepick.cli import options

if TYPE_CHECKING:
    from cafepick.bench import Measured


def bench(
    model: Annotated[
        Path | None,
        typer.Option("--model", "-m", help="A *.cafepick file. (default: an untrained one, which rejects few beans)"),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="What an untrained model is like: standard or quick. (default: standard)")
    ] = None,
    width: Annotated[int | None, typer.Option(help="Width of its networks. (default: the recipe's)", min=4)] = None,
    photo: Annotated[Path | None, typer.Option(help="A photo of beans. (default: a drawn tray of 60)")] = None,
    device: options.Device = "auto",
    seconds: Annotated[float, typer.Option(help="For each stage.", min=0.0)] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Measure every stage from a photo to its overlay: beans a second, latency, memory, share of the machine's peak."""
    import json

    from cafepick import bench as measuring
    from cafepick.cli.stopping import stoppable
    from cafepick.detector import Detector
    from cafepick.errors import ConfigError
    from cafepick.images import read_photo

    if model and (recipe or width):
        raise ConfigError("--recipe and --width are of an untrained model: leave them out, or --model")
    with stoppable() as (report, _):
        if model:
            detector = Detector.load(model, device=device)
        else:
            detector = measuring.untrained(recipe or "standard", width=width, device=device)
        shown = read_photo(photo) if photo else None
        measured = measuring.measure(detector, photo=shown, seconds=seconds, progress=report)
    if as_json:
        typer.echo(json.dumps(measuring.as_json(measured), indent=2))
        return
    _print(measured)


def _print(measured: Measured) -> None:
    """Print a table of the stages, and what they ran on."""
    machine = measured.machine
    typer.echo(
        f"{machine.gpu or machine.processor}, {machine.cores} cores, {machine.threads} threads, load {machine.load}"
    )
    header = ("stage", "precision", "beans", "beans/s", "p50 ms", "p99 ms", "cpu ms/bean", "of peak")
    rows = [
        (
            one.stage,
            one.precision,
            str(one.beans),
            f"{one.beans_a_second:,.0f}",
            f"{one.p50_ms:.2f}",
            f"{one.p99_ms:.2f}",
            f"{one.cpu_ms_a_bean:.3f}",
            "" if one.share_of_peak is None else f"{one.share_of_peak:.0%}",
        )
        for one in measured.stages
    ]
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, *rows]:
        typer.echo(
            "  ".join(
                cell.ljust(w) if n < 2 else cell.rjust(w) for n, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
        )
    peaks = ", ".join(f"{name} {value:,.0f}" for name, value in machine.gflops.items())
    typer.echo(f"peak of a matrix product, {'GPU' if machine.gpu else 'one core'}: {peaks} GFLOP/s")
    typer.echo("memory at most: " + ", ".join(f"{name} {value:,.0f} MB" for name, value in measured.memory_mb.items()))

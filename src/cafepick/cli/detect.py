"""``cafepick detect``: judge photos with a trained model."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from cafepick.cli import options


class Panels(str, Enum):
    """Which subjects get a picture of their own."""

    ng = "ng"
    all = "all"
    none = "none"


def detect(
    source: Annotated[
        str, typer.Argument(help="Photos to judge: a file, a folder, a quoted glob, a COCO file or 'mnist'.")
    ],
    model: options.ModelIn,
    out: options.Out,
    method: options.How = options.Method.auto,
    false_reject: options.FalseReject = None,
    panels: Annotated[Panels, typer.Option(help="Which subjects get a picture of their own.")] = Panels.ng,
    maps: Annotated[bool, typer.Option("--maps", help="Write anomaly maps, too: TIFF, 32-bit float.")] = False,
    resume: options.TakeUp = False,
    device: options.Device = "auto",
    pattern: options.Pattern = None,
    normal: options.Normal = None,
    data_dir: options.DataDir = None,
    outlines: options.Outlines = None,
    limit: options.Limit = None,
) -> None:
    """Find what is wrong with which bean: scores.csv, overlays, panels, masks and a summary in --out."""
    from cafepick.cli.stopping import STOPPED, stoppable
    from cafepick.detector import Detector
    from cafepick.jobs.inspect import Inspection, inspect_source

    detector = Detector.load(model, method=method.value, device=device)
    photos = options.opened(
        source,
        limit,
        purpose="detect",
        pattern=pattern,
        normal=options.digits(normal),
        data_dir=data_dir,
        outlines=outlines,
    )
    job = Inspection(
        source=photos,
        detector=detector,
        out=out,
        false_reject=detector.usual_rate() if false_reject is None else false_reject,
        panels=panels.value,
        maps=maps,
        resume=resume,
    )
    with stoppable("judging photos", then=lambda: "the same command with --resume goes on") as (report, stopping):
        result = inspect_source(job, progress=report, stopping=stopping)
    if not result.finished:
        typer.echo(f"stopped after {result.photos} photos; the same command with --resume goes on from there")
        raise typer.Exit(STOPPED)
    counts = ", ".join(f"{name} {count}" for name, count in result.counts.items() if count)
    typer.echo(f"{result.photos} photos: {counts or 'nothing found'}")
    for warning in result.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(options.promise_in_words(detector.promise(job.false_reject)))
    typer.echo(f"look at {out / 'overlays'}; the numbers are in {out / 'scores.csv'}")
    if result.others:
        typer.echo(f"pictures of {result.others} other photos, of an earlier run, still lie in {out}", err=True)
    raise typer.Exit(options.told_failures(result.failures))

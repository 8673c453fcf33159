"""``cafepick calibrate``: set the threshold anew from good subjects."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cafepick.cli.options import Device, Outlines, Pattern, Set, opened, promise_in_words, told_failures

if TYPE_CHECKING:
    from cafepick.jobs.gather import Failure


def calibrate(
    model: Annotated[Path, typer.Option("--model", "-m", help="The *.cafepick file to calibrate; it is replaced.")],
    source: Annotated[
        str | None,
        typer.Argument(
            help="Photos of good subjects that the model was not trained on. (default: those kept aside in training)"
        ),
    ] = None,
    set_: Set = None,
    device: Device = "auto",
    pattern: Pattern = None,
    outlines: Outlines = None,
) -> None:
    """Set the threshold from good subjects: under new light, for a new lot, or after a change of the search."""
    from cafepick.cli.stopping import stoppable
    from cafepick.config import Recipe, merge_settings
    from cafepick.detector import FALSE_REJECT, Detector
    from cafepick.errors import ConfigError
    from cafepick.jobs.calibrate import KEPT_ASIDE, Sample, calibrate_by_kept, kept_aside, learns_light
    from cafepick.jobs.calibrate import calibrate as calibrated
    from cafepick.jobs.gather import gather_as
    from cafepick.jobs.seen import refuse_learnt
    from cafepick.scoring.calibrate import needed

    detector = Detector.load(model, device=device)
    before = Recipe(search=detector.search)
    changed = merge_settings(before, set_ or [])
    if replace(changed, search=before.search) != before:
        raise ConfigError(
            "--set changes the search of a trained model, as in search.steps=500; for the rest train anew"
        )
    search = changed.search
    detector = detector if search == detector.search else detector.with_search(search)
    failures: tuple[Failure, ...] = ()
    with stoppable(then=lambda: f"{model} is as it was") as (report, _):
        if source is None:
            good, where = kept_aside(model.with_suffix(".run"), detector), KEPT_ASIDE
            ready = calibrate_by_kept(detector, good, progress=report)
        else:
            photos = opened(source, purpose="train", pattern=pattern, outlines=outlines)
            subjects = gather_as(photos, detector.crop, progress=report)
            refuse_learnt(detector.facts, subjects, str(photos.root))
            good, where = Sample(subjects.crops, subjects.descriptors), str(photos.root)
            failures = subjects.failures
            ready = calibrated(detector, good, where=where, conditions=subjects.conditions, progress=report)
        ready.save(model)
    typer.echo(f"{model}: threshold set by {len(good.images)} good subjects ({where})")
    if source is not None and learns_light(detector, len(good.images)):
        typer.echo("what is usual in their light is learnt from them too: beans in like light are compared with it")
    typer.echo(promise_in_words(ready.promise(ready.usual_rate())))
    known = 0 if detector.calibration is None else len(detector.calibration)
    if len(good.images) < min(known, needed(FALSE_REJECT)):
        typer.echo(
            f"careful: {known} subjects set the threshold before, and fewer than {needed(FALSE_REJECT)} cannot promise "
            f"{FALSE_REJECT:.0%}: add good photos and calibrate again",
            err=True,
        )
    raise typer.Exit(told_failures(failures))

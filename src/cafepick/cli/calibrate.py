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
    from cafepick.beans.descriptors import tells_light
    from cafepick.cli.stopping import stoppable
    from cafepick.config import Recipe, merge_settings
    from cafepick.detector import FALSE_REJECT, Detector
    from cafepick.errors import ConfigError
    from cafepick.files import check_writable
    from cafepick.jobs.calibrate import (
        AGAIN,
        ENOUGH_FOR_LIGHT,
        KEPT_ASIDE,
        calibrate_by_kept,
        calibrate_on,
        kept_aside,
        knows_other_light,
        size_not_learnt,
    )
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
    check_writable(model)
    failures: tuple[Failure, ...] = ()
    odd_size: str | None = None
    with stoppable(then=lambda: f"{model} is as it was") as (report, _):
        if source is None:
            kept, where = kept_aside(model.with_suffix(".run"), detector), KEPT_ASIDE
            ready = calibrate_by_kept(detector, kept, progress=report)
        else:
            photos = opened(source, purpose="train", pattern=pattern, outlines=outlines)
            ready, subjects = calibrate_on(detector, photos, where=source, progress=report)
            where, failures = source, subjects.failures
            odd_size = size_not_learnt(detector, subjects.conditions)
        ready.save(model)
    record = ready.facts["calibration"]
    count = record["subjects"]
    typer.echo(f"{model}: threshold set by {count} good subjects ({where})")
    if again := record.get(AGAIN):
        typer.echo(f"left out: {again} that other photos show too, as each counts once")
    if knows_other_light(ready):
        typer.echo("what is usual in their light is learnt from them too: beans in like light are compared with it")
    elif knows_other_light(detector):
        typer.echo("the light of the calibration before is forgotten")
    if source is not None and not knows_other_light(ready) and tells_light(ready.crop) and ready.appearance is not None:
        typer.echo(f"their light is not learnt: that takes {ENOUGH_FOR_LIGHT} photos or more, of different beans")
    typer.echo(promise_in_words(ready.promise(ready.usual_rate())))
    for words in ready.reservations():
        typer.echo(f"careful: {words}", err=True)
    if odd_size is not None:
        typer.echo(
            f"careful: {odd_size}. A calibration does not teach other sizes, so the model will hardly tell these beans "
            f"apart: photograph them as it was taught, or train anew",
            err=True,
        )
    known = 0 if detector.calibration is None else len(detector.calibration)
    if count < min(known, needed(FALSE_REJECT)):
        typer.echo(
            f"careful: {known} subjects set the threshold before, and fewer than {needed(FALSE_REJECT)} cannot promise "
            f"{FALSE_REJECT:.0%}: add good photos and calibrate again",
            err=True,
        )
    raise typer.Exit(told_failures(failures))

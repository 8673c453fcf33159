"""``cafepick train``: teach a model from photographs of good subjects."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cafepick.cli import options

if TYPE_CHECKING:
    from cafepick.jobs.teach import Lesson, Taught


class Subject(str, Enum):
    """What is judged."""

    beans = "beans"
    whole = "whole"


class Scale(str, Enum):
    """What a crop's scale refers to."""

    fixed = "fixed"
    relative = "relative"


class Sheet(str, Enum):
    """What the beans lie on."""

    auto = "auto"
    a4 = "a4"
    letter = "letter"
    none = "none"


Photos = Annotated[
    str, typer.Argument(help="Photos of good subjects: a file, a folder, a quoted glob, a COCO file or 'mnist'.")
]
ModelOut = Annotated[
    Path, typer.Option("--model", "-m", dir_okay=False, help="Where to write the model, e.g. beans.cafepick.")
]
Judged = Annotated[
    Subject | None,
    typer.Option(
        help="What is judged: each bean found, or the photo itself. "
        "(default: beans, but whole for mnist, MVTec folders and --crop)"
    ),
]
Size = Annotated[int, typer.Option(help="Side of the model's images in pixels, 28 to 128.")]
Channels = Annotated[int | None, typer.Option(help="1 (grey) or 3 (colour). (default: 3, but 1 for mnist)")]
Centre = Annotated[int | None, typer.Option(help="Keep this central square of each photo, in pixels (whole).")]
Unit = Annotated[
    Scale | None,
    typer.Option(
        help="fixed: one camera or a sheet in view, size counts; relative: the median bean is the unit. "
        "(default: relative for trays without a sheet)"
    ),
]
Paper = Annotated[
    Sheet,
    typer.Option(
        help="Paper that the beans lie on, whole in every photo: gives perspective and millimetres, so that size means "
        "the same in every photo. auto: if most photos show it."
    ),
]
RecipeName = Annotated[str, typer.Option(help="standard, quick or anogan (the paper's method, untouched).")]
Config = Annotated[Path | None, typer.Option(help="TOML file laid over the recipe: tables model, gan, search.")]
Steps = Annotated[int | None, typer.Option(help="Training steps. (default: the recipe's)")]
Epochs = Annotated[int | None, typer.Option(help="Training length in passes over the data, instead of --steps.")]
HoldBack = Annotated[float, typer.Option(help="Share of the photos kept out of training, to set the threshold.")]
Seed = Annotated[int, typer.Option(help="Same seed, data and machine: same model.")]
RunFolder = Annotated[
    Path | None, typer.Option(help="Run folder: checkpoints, samples, curves. (default: MODEL with .run)")
]
Resume = Annotated[Path | None, typer.Option(help="Go on with the training in this run folder.")]
Samples = Annotated[Path | None, typer.Option(help="Folder of the sample grids. (default: samples in the run folder)")]
TensorBoard = Annotated[bool, typer.Option(help="Also log to TensorBoard, in the run folder.")]
"""Options, in the order of the help."""


def train(
    source: Photos,
    model: ModelOut,
    subject: Judged = None,
    size: Size = 64,
    channels: Channels = None,
    crop: Centre = None,
    scale: Unit = None,
    sheet: Paper = Sheet.auto,
    recipe: RecipeName = "standard",
    config: Config = None,
    set_: options.Set = None,
    steps: Steps = None,
    epochs: Epochs = None,
    limit: options.Limit = None,
    hold_back: HoldBack = 0.15,
    seed: Seed = 0,
    device: options.Device = "auto",
    run: RunFolder = None,
    resume: Resume = None,
    pattern: options.Pattern = None,
    normal: options.Normal = None,
    data_dir: options.DataDir = None,
    outlines: options.Outlines = None,
    samples: Samples = None,
    tensorboard: TensorBoard = False,
) -> None:
    """Teach a model from photographs of good subjects only."""
    from cafepick.cli.stopping import STOPPED, stoppable
    from cafepick.config import merge_settings, merge_toml, named_recipe
    from cafepick.errors import ConfigError
    from cafepick.jobs.teach import Lesson, crop_config, teach
    from cafepick.models.device import place_named
    from cafepick.training.checkpoint import has_checkpoint, refuse_checkpoint

    photos = options.opened(
        source,
        limit,
        purpose="train",
        pattern=pattern,
        normal=options.digits(normal),
        data_dir=data_dir,
        outlines=outlines,
    )
    cut = crop_config(photos, subject=subject.value if subject else None, size=size, channels=channels, centre=crop)
    settings = named_recipe(recipe, size=cut.size, channels=cut.channels, subject=cut.subject)
    settings = merge_settings(merge_toml(settings, config) if config else settings, set_ or [])
    settings = settings if steps is None else settings.lasting(steps)
    lesson = Lesson(
        source=photos,
        model=model,
        run=resume or run or model.with_suffix(".run"),
        crop=cut,
        recipe=settings,
        recipe_name=recipe,
        scale=scale.value if scale else None,
        sheet=None if sheet is Sheet.auto else sheet.value,
        epochs=epochs,
        hold_back=hold_back,
        seed=seed,
        device=device,
        resume=resume is not None,
        samples=samples,
        tensorboard=tensorboard,
    )
    if place_named(device).count > 1:
        raise ConfigError(f"this command trains on one device, got --device {device}: use cuda or cuda:N")
    if not lesson.resume:
        refuse_checkpoint(lesson.run)
    go_on = f"go on with  --resume {lesson.run}"
    with stoppable(
        "training",
        "training the encoder",
        then=lambda: go_on if has_checkpoint(lesson.run) else "no step was trained yet",
    ) as (report, stopping):
        taught = teach(lesson, progress=report, stopping=stopping)
    status = options.told_failures(taught.failures)
    if not taught.finished:
        typer.echo(f"stopped after step {taught.step} of {taught.steps}; {go_on}")
        raise typer.Exit(STOPPED)
    typer.echo(summary(taught, lesson))
    raise typer.Exit(status)


FEW_PHOTOS: Final = 10
"""Fewer leave a threshold to one or two photos, whose light decides it."""


def summary(taught: Taught, lesson: Lesson) -> str:
    """Say in a few lines what was learnt, from what, and what may look wrong."""
    from cafepick.training.variety import COLLAPSED

    cut = taught.crop
    lines = [
        f"{lesson.model}: learnt from {taught.subjects} good subjects in {taught.photos - len(taught.aside)} photos",
        f"each is {'a bean' if cut.subject == 'beans' else 'a whole photo'}, seen at {cut.size} x {cut.size} pixels"
        + ("" if cut.detail is None else f", and by a closer look at {cut.detail} x {cut.detail}"),
        f"{taught.held_back} in {_named(taught.aside)} were kept aside and set the threshold",
    ]
    if taught.note:
        lines.append(taught.note)
    if cut.sheet != "none":
        lines.append("sizes are in millimetres: photos to check must show a whole sheet of the same kind too")
    lines += _too_few(taught)
    if taught.cut:
        lines.append(f"{taught.cut} beans were left out because the frame cuts them")
    if taught.empty:
        lines.append(f"nothing was found in {len(taught.empty)} photos, first {taught.empty[0]}")
    if taught.variety is not None and taught.variety < COLLAPSED:
        found = f"the generator draws much the same over and over, {taught.variety:.0%} as varied as the good ones"
        if lesson.recipe.encoder.steps > 0:
            lines.append(
                f"{found}: --method exact tells little; fast and refine use the decoder that the encoder learnt with"
            )
        else:
            lines.append(f"{found}: scores tell little; train longer (--steps), or take --recipe standard")
    if lesson.recipe.fusion.appearance > 0:
        lines.append(
            f"the good ones least like the others are shown in {lesson.run / 'oddest.png'}: if some are not good, take "
            f"them out and train anew"
        )
    lines.append(f"look at {lesson.run / 'curves.png'} and the samples in {lesson.samples or lesson.run / 'samples'}")
    return "\n".join(lines)


MOST_NAMED: Final = 3
"""Photos that are named; of more, their number is told."""


def _named(photos: tuple[str, ...]) -> str:
    return ", ".join(photos) if len(photos) <= MOST_NAMED else f"{len(photos)} photos"


def _too_few(taught: Taught) -> list[str]:
    """Say of what there were too few for a threshold that holds and finds defects."""
    from cafepick.detector import FALSE_REJECT
    from cafepick.scoring.calibrate import needed

    lines, least = [], needed(FALSE_REJECT)
    if taught.photos < FEW_PHOTOS:
        lines.append(
            f"{taught.photos} photos are few to tell how light varies from photo to photo, so defects may pass: take "
            f"{FEW_PHOTOS} or more, and run  cafepick evaluate  on some bad ones"
        )
    if taught.alone:
        lines.append(
            f"the light of {_named(taught.alone)} is like that of none learnt from: a threshold set there is that of "
            f"an unknown light, and many defects may pass; take two photos or more in each light, and train anew"
        )
    if taught.held_back < least:
        lines.append(
            f"a false-reject rate of {FALSE_REJECT:.0%} needs {least} kept aside, so detect will reject more good "
            f"ones: add good photos, or run  cafepick calibrate  with others"
        )
    return lines

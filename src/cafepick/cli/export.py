"""``cafepick export``: a trained model as one that needs no torch."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cafepick.cli.options import ModelIn, Outlines, Pattern, opened, told_failures

if TYPE_CHECKING:
    from cafepick.detector import Detector
    from cafepick.jobs.calibrate import Sample
    from cafepick.jobs.gather import Failure, Progress


class Format(str, Enum):
    """Whose graph the exported model holds."""

    onnx = "onnx"
    openvino = "openvino"


def export(
    model: ModelIn,
    format_: Annotated[Format, typer.Option("--format", help="The runtime: onnx (onnxruntime) or openvino.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The exported model, another *.cafepick file.")],
    source: Annotated[
        str | None,
        typer.Argument(
            help="Photos on which both models are compared. (default: good subjects kept aside in training, or ones "
            "that the model draws)"
        ),
    ] = None,
    pattern: Pattern = None,
    outlines: Outlines = None,
) -> None:
    """Write a model that judges alike in onnxruntime or OpenVINO, without torch; compared before it is written."""
    from cafepick.cli.stopping import stoppable
    from cafepick.detector import Detector
    from cafepick.export import check_exportable
    from cafepick.export import export as write

    _check_out(out, model)
    trained = Detector.load(model, device="cpu")
    check_exportable(trained)
    failures: tuple[Failure, ...] = ()
    with stoppable(then=lambda: f"{out} is as it was") as (report, _):
        if source is None:
            sample, where = _at_hand(model, trained)
        else:
            sample, where, failures = _cut(source, trained, report, pattern=pattern, outlines=outlines)
        found = write(trained, out, format_.value, sample, source=where, progress=report)
    typer.echo(
        f"{out}: judges like {model} on {found.subjects} subjects ({where}, and spoiled copies); scores differ by up "
        f"to {found.score:.1g}, {found.verdicts - found.on_threshold} of {found.verdicts} verdicts are the same"
        + (f", {found.on_threshold} on the threshold itself" if found.on_threshold else "")
    )
    typer.echo(f"it needs no torch:  pip install 'cafepick[{format_.value}]'")
    raise typer.Exit(told_failures(failures))


def _check_out(out: Path, model: Path) -> None:
    from cafepick.errors import ConfigError
    from cafepick.files import check_writable

    if out.suffix != ".cafepick":
        raise ConfigError(f"--out needs a name that ends in .cafepick, got {out}: the graph lies inside such a file")
    if out.resolve() == model.resolve():
        raise ConfigError(f"--out {out} is the trained model itself, which is still needed: choose another name")
    check_writable(out)


def _at_hand(model: Path, trained: Detector) -> tuple[Sample, str]:
    """Return the subjects kept aside in training where they are still there, or ones that the model draws."""
    from cafepick.errors import CalibrationError
    from cafepick.export import drawn_sample
    from cafepick.jobs.calibrate import KEPT_ASIDE, kept_aside

    try:
        return kept_aside(model.with_suffix(".run"), trained), KEPT_ASIDE
    except CalibrationError:
        return drawn_sample(trained), "drawn by the model"


def _cut(
    source: str, trained: Detector, report: Progress, *, pattern: str | None, outlines: Path | None
) -> tuple[Sample, str, tuple[Failure, ...]]:
    """Return the subjects of a source."""
    from cafepick.jobs.calibrate import Sample
    from cafepick.jobs.gather import gather_as

    photos = opened(source, purpose="detect", pattern=pattern, outlines=outlines)
    subjects = gather_as(photos, trained.crop, progress=report)
    return Sample(subjects.crops, subjects.descriptors), str(photos.root), subjects.failures

"""``cafepick evaluate``: measure a model on photos whose beans are known to be good or not."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cafepick.cli import options

if TYPE_CHECKING:
    from cafepick.data.sources import Source


class Language(str, Enum):
    """Of the report."""

    en = "en"
    ja = "ja"


Photos = Annotated[
    str,
    typer.Argument(help="Labelled photos: folders named good and by defect, an MVTec folder, a COCO file or 'mnist'."),
]
Good = Annotated[
    list[str] | None,
    typer.Option(
        "--good",
        help="Class that counts as good. Repeatable. (default: the first there is of good, healthy, normal, ok)",
    ),
]
LabelFile = Annotated[
    Path | None, typer.Option(help="CSV with image,label or image,bean,label, in place of other labels.")
]
UseOutlines = Annotated[
    bool, typer.Option("--use-outlines", help="Judge the annotated outlines, instead of beans that are found.")
]
ReportLanguage = Annotated[Language, typer.Option(help="Of report.html: en or ja.")]
"""Options, in the order of the help."""

ANNOTATIONS = ("annotations.json", "_annotations.coco.json")
"""Names that COCO files have by custom."""


def evaluate(
    source: Photos,
    model: options.ModelIn,
    out: options.Out,
    good: Good = None,
    labels: LabelFile = None,
    method: options.How = options.Method.auto,
    false_reject: options.FalseReject = None,
    outlines: options.Outlines = None,
    use_outlines: UseOutlines = False,
    resume: options.TakeUp = False,
    language: ReportLanguage = Language.en,
    device: options.Device = "auto",
    pattern: options.Pattern = None,
    normal: options.Normal = None,
    data_dir: options.DataDir = None,
    limit: options.Limit = None,
) -> None:
    """Measure how well a model tells good from bad: metrics.json, scores.csv and report.html in --out."""
    from cafepick.cli.stopping import STOPPED, stoppable
    from cafepick.data.labels import read_labels
    from cafepick.detector import Detector
    from cafepick.jobs.evaluate import Evaluation, evaluate_source
    from cafepick.jobs.truth import Labelling

    table = read_labels(labels) if labels else None
    photos = _opened(source, limit, outlines, pattern=pattern, normal=options.digits(normal), data_dir=data_dir)
    labelling = Labelling.of(photos, good=good or (), labels=table, use_outlines=use_outlines)
    curves = model.with_suffix(".run") / "curves.png"
    detector = Detector.load(model, method=method.value, device=device)
    job = Evaluation(
        source=photos,
        detector=detector,
        out=out,
        labelling=labelling,
        false_reject=detector.usual_rate() if false_reject is None else false_reject,
        language=language.value,
        command=("cafepick", *sys.argv[1:]),
        training_curves=curves if curves.is_file() else None,
        resume=resume,
    )
    with stoppable("judging photos", then=lambda: "the same command with --resume goes on") as (report, stopping):
        result = evaluate_source(job, progress=report, stopping=stopping)
    if not result.finished:
        typer.echo(f"stopped after {result.photos} photos; the same command with --resume goes on from there")
        raise typer.Exit(STOPPED)
    typer.echo(summary(result.metrics))
    typer.echo(f"the numbers are in {out / 'metrics.json'} and {out / 'scores.csv'}")
    raise typer.Exit(options.told_failures(result.failures))


def _opened(source: str, limit: int | None, outlines: Path | None, **more: Any) -> Source:
    """Open the source with the outlines named or, where none are, with those of a COCO file in the folder."""
    from cafepick.errors import SourceError

    there = (path for name in ANNOTATIONS if (path := Path(source).expanduser() / name).is_file())
    if outlines is None and (path := next(there, None)) is not None:
        try:
            found = options.opened(source, limit, purpose="detect", outlines=path, **more)
        except SourceError as error:
            sys.stderr.write(f"left {path} aside: {error}\n")
        else:
            sys.stderr.write(f"outlines and classes of the beans are those of {path}\n")
            return found
    return options.opened(source, limit, purpose="detect", outlines=outlines, **more)


def summary(metrics: dict[str, Any]) -> str:
    """Say in a few lines how good the model is, and of what nothing can be said."""
    subjects, rejected = metrics["subjects"], metrics["false_reject"]
    lines = [f"{subjects['good']} good and {subjects['defect']} defective subjects in {subjects['photos']} photos"]
    if metrics["auroc"]:
        lines.append(f"AUROC {_interval(metrics['auroc'], digits=3)}")
    if rejected["realised"]:
        promised = f"promised: {100 * rejected['promised']:.3g}, at most {100 * rejected['upper_bound']:.3g}"
        lines.append(f"of 100 good subjects {_interval(rejected['realised'], 100)} are rejected ({promised})")
    if metrics["miss_rate"]:
        lines.append(f"of 100 defective subjects {_interval(metrics['miss_rate'], 100)} are missed")
    if metrics["finding"]:
        lines.append(_finding(metrics["finding"]))
    return "\n".join([*lines, *_reasons(metrics)])


def _reasons(metrics: dict[str, Any]) -> list[str]:
    """Say what was not measured and why, as the report does."""
    from cafepick.report.remarks import in_words, read_remark
    from cafepick.report.words import Words

    words = Words("en", metrics["subject"])
    said = in_words(map(read_remark, metrics["omitted"]), words)
    return [f"{about}: {reason}" if about else reason for about, reason, _ in said]


def _finding(finding: dict[str, Any]) -> str:
    lost = ", ".join(f"{count} {label}" for label, count in finding["not_found"].items())
    return f"{finding['annotated']} beans are annotated; not found: {lost or 'none'}"


def _interval(interval: dict[str, float], scale: float = 1.0, digits: int = 1) -> str:
    value, low, high = (f"{scale * interval[name]:.{digits}f}" for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"

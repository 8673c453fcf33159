"""``cafepick demo``: the whole way on drawn trays, in a few minutes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cafepick.data.demo import DemoData
    from cafepick.data.sources import Source
    from cafepick.jobs.gather import Progress


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of photos, model and results.")] = Path("demo"),
    trays: Annotated[int, typer.Option(help="Photos of good beans to draw and learn from.", min=2)] = 20,
    steps: Annotated[int | None, typer.Option(help="Training steps. (default: the quick recipe's)", min=1)] = None,
    false_reject: Annotated[float, typer.Option(help="Share of good beans that may be rejected by mistake.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Of the drawing and the training.")] = 0,
) -> None:
    """Draw trays of coffee, learn the good beans, find the bad ones, and compare with the truth."""
    from cafepick.cli.evaluate import summary
    from cafepick.cli.stopping import stoppable
    from cafepick.data.demo import write_demo_data

    model = out / "demo.cafepick"
    with stoppable(then=lambda: "the same command begins anew") as (report, _):
        drawn = write_demo_data(
            out / "photos",
            seed=seed,
            train_trays=trays,
            progress=lambda done, total: report("drawing trays", done, total),
        )
        _teach(drawn, model, steps, seed, report)
        metrics = _check(drawn, model, out / "results", false_reject, report)
    typer.echo(summary(metrics))
    typer.echo("\nopen these:")
    for what, path in (
        ("a checked tray", out / "results" / "overlays" / drawn.test[0].relative_to(drawn.folder).with_suffix(".png")),
        ("the beans one by one", out / "results" / "panels"),
        ("how far to trust the model", out / "results" / "report.html"),
        ("the generator as it learnt", model.with_suffix(".run") / "samples"),
    ):
        typer.echo(f"  {what}: {path}")


def _opened(drawn: DemoData, paths: Sequence[Path], **options: Any) -> Source:
    """Open the demo's photos, and none that someone else put beside them."""
    from cafepick.data.sources import open_source

    found = open_source(drawn.folder, **options)
    return replace(found, items=tuple(item for item in found.items if item.path in paths))


def _teach(drawn: DemoData, model: Path, steps: int | None, seed: int, report: Progress) -> None:
    from cafepick.config import CropConfig, named_recipe
    from cafepick.jobs.teach import Lesson, teach

    crop = CropConfig(subject="beans")
    recipe = named_recipe("quick", size=crop.size, channels=crop.channels)
    teach(
        Lesson(
            source=_opened(drawn, drawn.train, purpose="train"),
            model=model,
            run=model.with_suffix(".run"),
            crop=crop,
            recipe=recipe.lasting(steps) if steps else recipe,
            recipe_name="quick",
            seed=seed,
        ),
        progress=report,
    )


def _check(drawn: DemoData, model: Path, out: Path, false_reject: float, report: Progress) -> dict:
    """Detect as a user would, then compare with the truth."""
    from cafepick.detector import Detector
    from cafepick.jobs.evaluate import Evaluation, evaluate_source
    from cafepick.jobs.inspect import Inspection, inspect_source

    detector = Detector.load(model)
    photos = _opened(drawn, drawn.test, purpose="detect")
    inspect_source(Inspection(source=photos, detector=detector, out=out, false_reject=false_reject), progress=report)
    labelled = _opened(drawn, drawn.test, purpose="detect", outlines=drawn.annotations)
    job = Evaluation(
        source=labelled,
        detector=detector,
        out=out,
        false_reject=false_reject,
        command=("cafepick", "demo"),
        training_curves=model.with_suffix(".run") / "curves.png",
    )
    return evaluate_source(job, progress=report).metrics

"""What several commands share: reading option values and telling failures."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cafepick.errors import ConfigError

if TYPE_CHECKING:
    from cafepick.data.sources import Source
    from cafepick.jobs.gather import Failure


class Method(str, Enum):
    """How the closest good subject is found."""

    auto = "auto"
    fast = "fast"
    refine = "refine"
    exact = "exact"


ModelIn = Annotated[Path, typer.Option("--model", "-m", help="A *.cafepick file.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of the results.")]
FalseReject = Annotated[
    float | None,
    typer.Option(
        help="Share of good subjects that may be rejected by mistake, e.g. 0.02. "
        "(default: 0.01, or the lowest that the calibration can promise)"
    ),
]
How = Annotated[
    Method,
    typer.Option(
        "--method",
        help="How the closest good subject is found. fast: one pass of the encoder; refine: a few search steps more; "
        "exact: a whole search (AnoGAN); auto: the quickest that the model knows.",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Pattern = Annotated[str | None, typer.Option(help="Only files whose names match, e.g. '*_cropped.png'.")]
Normal = Annotated[str | None, typer.Option(help="mnist: digits that count as good, e.g. 8 or 0,1.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder of the mnist files. (default: data/mnist)")]
Outlines = Annotated[Path | None, typer.Option(help="COCO file with the beans' outlines, instead of finding them.")]
TakeUp = Annotated[bool, typer.Option("--resume", help="Take up an interrupted run in --out.")]
Limit = Annotated[int | None, typer.Option(help="Take only so many photos, spread evenly over the source.", min=1)]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="One setting of the recipe, e.g. search.steps=500. Repeatable.")
]
"""Options that several commands take."""

SOME_PHOTOS_FAILED = 3
"""Exit status when the work was done, but some photos could not be read."""


def digits(text: str | None) -> tuple[int, ...] | None:
    """Read ``"0,1"`` as (0, 1); None stays None.

    Raises:
        ConfigError: a part is no digit from 0 to 9.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(len(part) == 1 and part in "0123456789" for part in parts):
        raise ConfigError(f"--normal takes digits from 0 to 9 separated by commas, as in 0,1; got {text!r}")
    return tuple(sorted({int(part) for part in parts}))


def opened(source: str, limit: int | None = None, **options: Any) -> Source:
    """Open a source as ``open_source`` does, and tell what it says of itself.

    Of more than ``limit`` photos so many are kept, evenly over the source: each folder, lot or day gives its share.
    """
    from cafepick.data.sources import open_source

    found = open_source(source, **options)
    if found.note:
        sys.stderr.write(f"{found.note}\n")
    count = len(found.items)
    if limit is None or limit >= count:
        return found
    return replace(found, items=tuple(found.items[number * count // limit] for number in range(limit)))


def promise_in_words(promise: Mapping[str, float]) -> str:
    """Say what a threshold promises, from ``Detector.promise``."""
    rate, bound = (f"{100 * promise[name]:.3g}" for name in ("false_reject", "false_reject_upper_bound"))
    subjects = promise["calibration_subjects"]
    return (
        f"of 100 good subjects {rate} are rejected by mistake on average, at most {bound} "
        f"(95 % confidence; the threshold rests on {subjects} good subjects)"
    )


def told_failures(failures: Sequence[Failure]) -> int:
    """Name each photo that could not be read on stderr; return the exit status that this means."""
    for failure in failures:
        sys.stderr.write(f"skipped {failure.name}: {failure.reason}\n")
    return SOME_PHOTOS_FAILED if failures else 0

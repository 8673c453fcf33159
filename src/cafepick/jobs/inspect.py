"""Judge a whole source and write what was found: scores, overlays, panels, masks, summary."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Literal

from cafepick import __version__
from cafepick.beans.conditions import gathered
from cafepick.beans.crop import mask_in_crop
from cafepick.cores import shared
from cafepick.detector import FALSE_REJECT, Detector, Prepared
from cafepick.draw import masks, overlay, panel
from cafepick.errors import PhotoError, SourceError
from cafepick.files import write_csv, write_json
from cafepick.images import read_mask, write_image, write_map
from cafepick.jobs.gather import Failure, Progress
from cafepick.jobs.journal import Journal, Row
from cafepick.jobs.pipeline import ahead
from cafepick.jobs.pixels import photo_map
from cafepick.scoring.calibrate import binomial_tail
from cafepick.scoring.fusion import APPEARANCE, COMPARISON, RECONSTRUCTION
from cafepick.types import Item, Judgement, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cafepick.data.sources import Source
    from cafepick.types import Evidence

LOGGER: Final = logging.getLogger(__name__)

COLUMNS: Final = (
    "image",
    "bean",
    "x",
    "y",
    "width",
    "height",
    "angle",
    "score",
    "residual",
    "discrimination",
    "p_value",
    "verdict",
)
"""Header of ``scores.csv``, up to the verdict."""
PARTS: Final = (RECONSTRUCTION, COMPARISON, APPEARANCE)
PART_COLUMNS: Final = (*PARTS, *(f"p_{part}" for part in PARTS), "reason")
"""The rest of it: each part of the score, how likely a good subject is to score so high in it, and why an NG is one."""

SUBJECTS_AT_ONCE: Final = 64
BYTES_AT_ONCE: Final = 200_000_000
"""Photos are judged together until they hold this many subjects or bytes."""

MOST_PNG_PIXELS: Final = 6_000_000
"""Overlays of more pixels are JPEG, at 6 times the speed of PNG: 0.05 s instead of 0.28 s for 12 megapixels."""
MOST_JPEG_SIDE: Final = 65_500
"""JPEG holds no longer side: such overlays are PNG."""

MOST_NG: Final = 0.5
UNLIKELY: Final = 1e-3
"""A larger share of NG, if good subjects would hardly give it, may come from the photos rather than from the beans."""

_VERDICT: Final = COLUMNS.index("verdict")

Panels = Literal["ng", "all", "none"]

_UPWARDS: Final = re.compile(r"/+|\.\.|[A-Za-z]:")
"""A step of a photo's name that leads out of the folder of results: a root, the folder above, a drive."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Inspection:
    """What to judge, and where the results go."""

    source: Source
    detector: Detector
    out: Path
    false_reject: float = FALSE_REJECT
    panels: Panels = "ng"
    """Which subjects get a picture of their own."""
    maps: bool = False
    """Write the anomaly map of each photo, too."""
    resume: bool = False
    """Take up an interrupted run in ``out``."""


@dataclass(frozen=True)
class Inspected:
    """What came out."""

    photos: int
    """Photos judged."""
    counts: dict[str, int]
    """Number of subjects per verdict."""
    failures: tuple[Failure, ...]
    finished: bool
    """False when the run was stopped before the last photo."""
    warnings: tuple[str, ...] = ()
    others: int = 0
    """Overlays of other photos, which an earlier run left in the folder of results."""
    """Signs that the photos are not like those that set the threshold, and what to do about it."""


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo on its way to its verdicts."""

    item: Item
    pixels: NDArray[np.uint8]
    prepared: Prepared


def inspect_source(job: Inspection, *, progress: Progress, stopping: Callable[[], bool] = lambda: False) -> Inspected:
    """Judge every photo of a source; an unreadable one is named in the result, and the run goes on.

    Writes ``scores.csv``, ``summary.json``, ``overlays/``, ``masks/``, ``panels/`` and, if asked for, ``maps/`` into
    ``job.out``. A run that was stopped or killed leaves ``scores.partial.jsonl`` behind, from which ``job.resume``
    takes it up.

    Raises:
        SourceError: not one photo could be read.
        CalibrationError: the model cannot promise the false-reject rate asked for.
        ConfigError: the run to take up was made with another model, method, rate, source, other outlines, or other
            pictures asked for.
        OutputError: the results cannot be written.
    """
    job.detector.threshold(job.false_reject)  # an impossible promise is refused before any work
    began = time.monotonic()
    failures: list[Failure] = []
    finished = True
    pictures = picture_names([item.name for item in job.source.items])
    open_journal = Journal.resume if job.resume else Journal.start
    with open_journal(job.out / "scores.partial.jsonl", _identity(job)) as journal:
        journal.keep_only({item.name for item in job.source.items})
        remaining = [item for item in job.source.items if item.name not in journal.rows]
        judged = _judged(job, batches(job.source, job.detector, remaining, failures))
        with closing(ahead(lambda one: _written(job, one, pictures), judged)) as written:
            for name, rows, oddities in written:
                journal.add(name, rows, oddities)
                progress("judging photos", len(journal.rows) + len(failures), len(job.source.items))
                if stopping():
                    finished = len(journal.rows) + len(failures) == len(job.source.items)
                    break
        counts = _counts(journal)
        others = _others(job.out / "overlays", pictures.values())
        result = Inspected(
            len(journal.rows), counts, tuple(failures), finished, _warnings(job, journal, counts), others
        )
        if finished:
            _write_results(job, journal, result, time.monotonic() - began)
    return result


Judged = tuple[Photo, list[Verdict]]


def _judged(job: Inspection, photos: Iterable[list[Photo]]) -> Iterator[Judged]:
    """Judge photos, some at a time."""
    for batch in photos:
        verdicts = job.detector.judge([photo.prepared for photo in batch], false_reject=job.false_reject)
        yield from zip(batch, verdicts, strict=True)


def _written(job: Inspection, judged: Judged, pictures: Mapping[str, str]) -> tuple[str, list[Row], list[str]]:
    """Draw and write the pictures of one photo; return what the journal is to know of it."""
    photo, verdicts = judged
    name = photo.item.name
    _write_pictures(job, photo, verdicts, pictures[name])
    return name, [table_row(name, verdict) for verdict in verdicts], job.detector.oddities(photo.prepared)


def picture_names(names: Sequence[str]) -> dict[str, str]:
    """Give each photo the name of its pictures: with ``.png`` for its own suffix, or behind it where two would meet.

    A COCO file may name photos elsewhere, like ``../img/a.png`` or ``/home/me/a.png``; their pictures stay inside the
    folder of results, and so never replace a photo.
    """
    inside = {name: _inside(name) for name in names}
    taken = Counter(path.with_suffix(".png") for path in inside.values())
    return {
        name: str(path.with_suffix(".png")) if taken[path.with_suffix(".png")] == 1 else f"{path}.png"
        for name, path in inside.items()
    }


def _others(folder: Path, pictures: Iterable[str]) -> int:
    """Count the files in ``folder`` that belong to none of the ``pictures``, whatever their suffix."""
    ours = {PurePosixPath(name).with_suffix("") for name in pictures}
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return sum(PurePosixPath(path.as_posix()).with_suffix("") not in ours for path in files)


def _inside(name: str) -> PurePosixPath:
    """Return a relative path that leads nowhere up: roots, drives and ``..`` become plain folders."""
    steps = [f"__{step.strip('/.:')}" if _UPWARDS.fullmatch(step) else step for step in PurePosixPath(name).parts]
    return PurePosixPath(*(steps or ["__"]))


def _identity(job: Inspection) -> dict[str, Any]:
    """What two runs must have in common for the second to go on with the first."""
    outlines = hashlib.sha256()
    for item in job.source.items:
        if item.outlines is not None:
            outlines.update(repr((item.name, [outline.tolist() for outline in item.outlines])).encode())
    return {
        **judging(job.detector, job.source, job.false_reject),
        "panels": job.panels,
        **({"maps": True} if job.maps else {}),
        "outlines": outlines.hexdigest()[:16],
    }


def judging(detector: Detector, source: Source, false_reject: float) -> dict[str, Any]:
    """Return what the verdicts of a run rest on, as plain JSON values."""
    return {
        "model": detector.checksum,
        "method": detector.method,
        "precision": detector.precision,
        "false_reject": false_reject,
        "source": str(source.root),
    }


def batches(
    source: Source, detector: Detector, items: Sequence[Item], failures: list[Failure], *, annotated: bool = True
) -> Iterator[list[Photo]]:
    """Read and prepare photos, some at a time, the next ones by other threads while these are judged.

    Args:
        source: where the photos come from.
        detector: cuts the subjects.
        items: the photos to read.
        failures: those that cannot be read are added here.
        annotated: take the annotated outlines of photos that have some; False looks for beans in any case.
    """

    def prepared(item: Item) -> Photo | Failure:
        try:
            pixels = source.read(item)
            return Photo(item, pixels, detector.prepare(pixels, contours=item.outlines if annotated else None))
        except PhotoError as error:
            return Failure(item.name, str(error))

    batch: list[Photo] = []
    with closing(ahead(prepared, items, weight=_bytes, most=BYTES_AT_ONCE)) as photos:
        for photo in photos:
            if isinstance(photo, Failure):
                failures.append(photo)
                continue
            batch.append(photo)
            subjects = sum(len(one.prepared.crops) for one in batch)
            if subjects >= SUBJECTS_AT_ONCE or sum(map(_bytes, batch)) >= BYTES_AT_ONCE:
                yield batch
                batch = []
        if batch:
            yield batch


def _bytes(photo: Photo | Failure) -> int:
    return photo.pixels.nbytes if isinstance(photo, Photo) else 0


def _write_pictures(job: Inspection, photo: Photo, verdicts: Sequence[Verdict], picture: str) -> None:
    drawn = overlay(photo.pixels, verdicts)
    shown = (job.out / "overlays" / picture).with_suffix(_suffix_of(drawn))
    folder = job.out / "panels" / PurePosixPath(picture).with_suffix("")
    _remove_panels(folder)
    truth = None if job.panels == "none" else _truth_of(photo)

    def write_panel(bean: int, evidence: Evidence) -> None:
        part = None if truth is None else mask_in_crop(truth, evidence.crop)
        write_image(folder / f"{bean:03d}.png", panel(evidence, part))

    parts: list[Callable[[], None]] = [
        lambda: _write_overlay(shown, drawn),
        lambda: write_image(job.out / "masks" / picture, masks(photo.prepared.shape, verdicts)),
    ]
    path = (job.out / "maps" / picture).with_suffix(".tiff")
    if job.maps:
        parts.append(lambda: write_map(path, photo_map(photo.prepared.shape, verdicts)))
    else:
        path.unlink(missing_ok=True)  # of an earlier run
    for verdict in verdicts:
        wanted = job.panels == "all" or (job.panels == "ng" and verdict.judgement is Judgement.NG)
        if wanted and verdict.evidence is not None:
            parts.append(partial(write_panel, verdict.bean, verdict.evidence))
    shared(lambda part: part(), parts)


def _suffix_of(drawn: NDArray[np.uint8]) -> str:
    return ".jpg" if drawn[..., 0].size > MOST_PNG_PIXELS and max(drawn.shape) <= MOST_JPEG_SIDE else ".png"


def _write_overlay(path: Path, drawn: NDArray[np.uint8]) -> None:
    """Write an overlay; one that an earlier run left under the other suffix may show other verdicts."""
    write_image(path, drawn)
    path.with_suffix(".png" if path.suffix == ".jpg" else ".jpg").unlink(missing_ok=True)


def _remove_panels(folder: Path) -> None:
    """Remove the panels that an earlier run with another model or rate left of a photo: their beans may be OK now."""
    for old in folder.glob("[0-9][0-9][0-9]*.png"):
        if old.stem.isdecimal() and old.is_file():
            old.unlink(missing_ok=True)


def _truth_of(photo: Photo) -> NDArray[np.bool_] | None:
    """Return the ground truth (H, W) that the source has for a photo, for its panels; a verdict needs none."""
    if photo.item.mask_path is None:
        return None
    try:
        mask = read_mask(photo.item.mask_path)
    except PhotoError as error:
        LOGGER.warning("no ground truth in the panels of %s: %s", photo.item.name, error)
        return None
    if mask.shape != photo.prepared.shape:
        LOGGER.warning("no ground truth in the panels of %s: its mask has another size", photo.item.name)
        return None
    return mask


def table_row(image: str, verdict: Verdict) -> Row:
    """Return one line of ``scores.csv``, in the order of ``COLUMNS`` and ``PART_COLUMNS``."""
    scores = verdict.scores
    numbers = (
        ("", "", "", "")
        if scores is None
        else (f"{scores.score:.6g}", f"{scores.residual:.6g}", f"{scores.discrimination:.6g}", f"{verdict.p_value:.6g}")
    )
    place = [f"{value:.1f}" for value in (*verdict.box, verdict.angle)]
    raw = {} if scores is None else scores.parts
    parts = [f"{of[part]:.6g}" if part in of else "" for of in (raw, verdict.parts) for part in PARTS]
    return [image, verdict.bean, *place, *numbers, verdict.judgement.value, *parts, verdict.reason]


def _counts(journal: Journal) -> dict[str, int]:
    found = Counter(row[_VERDICT] for _, rows in journal.rows.pairs() for row in rows)
    return {judgement.value: found[judgement.value] for judgement in Judgement}


def _warnings(job: Inspection, journal: Journal, counts: dict[str, int]) -> tuple[str, ...]:
    """Say what speaks against the promise of the threshold: odd photos, and more NG than good subjects would give."""
    odd = gathered(journal.notes.pairs())
    found = [f"{words} ({count} of {len(journal.rows)} photos, first {first})" for words, count, first in odd]
    bad, judged = counts[Judgement.NG.value], counts[Judgement.NG.value] + counts[Judgement.OK.value]
    bound = job.detector.promise(job.false_reject)["false_reject_upper_bound"]
    if judged and bad / judged > MOST_NG and binomial_tail(bad, judged, bound) < UNLIKELY:
        found.append(f"{bad} of {judged} subjects are NG, far more than good ones would give")
    if found:
        found.append("if these subjects are good, photograph about 200 of them so and run  cafepick calibrate")
    return (*found, *job.detector.reservations())


def _write_results(job: Inspection, journal: Journal, result: Inspected, seconds: float) -> None:
    if not journal.rows:
        journal.remove()
        first = f"; first: {result.failures[0].reason}" if result.failures else ""
        raise SourceError(f"none of the {len(job.source.items)} photos in {job.source.root} could be read{first}")
    names = [item.name for item in job.source.items if item.name in journal.rows]
    rows = (row for _, photo in journal.rows.pairs(names) for row in photo)
    write_csv(job.out / "scores.csv", (*COLUMNS, *PART_COLUMNS), rows)
    write_json(
        job.out / "summary.json",
        {
            "cafepick": __version__,
            "source": str(job.source.root),
            "model": job.detector.checksum,
            "method": job.detector.method,
            "precision": job.detector.precision,
            "photos": result.photos,
            "verdicts": result.counts,
            "unreadable": [{"image": failure.name, "reason": failure.reason} for failure in result.failures],
            "warnings": list(result.warnings),
            **job.detector.promise(job.false_reject),
            "seconds": round(seconds, 1),
        },
    )
    journal.remove()

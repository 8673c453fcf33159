"""Judge a source whose subjects are known, and write what that says of the model: ``metrics.json``, ``scores.csv``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from cafepick import __version__
from cafepick.detector import FALSE_REJECT, Detector
from cafepick.errors import PhotoError, SourceError
from cafepick.files import write_csv, write_json
from cafepick.jobs.calibrate import now
from cafepick.jobs.gather import Failure, Progress
from cafepick.jobs.inspect import COLUMNS, PART_COLUMNS, batches, judging
from cafepick.jobs.notebook import Notebook
from cafepick.jobs.notes import Notes
from cafepick.jobs.pixels import side_for
from cafepick.jobs.seen import learnt_prints, without_prints
from cafepick.jobs.truth import Labelling
from cafepick.report import write_report
from cafepick.scoring.calibrate import needed
from cafepick.scoring.evaluation import (
    Findings,
    Judged,
    Promise,
    evaluate_finding,
    evaluate_pixels,
    evaluate_subjects,
)
from cafepick.scoring.omissions import SEEN_BEFORE, Omission
from cafepick.types import Judgement, Mistake, SubjectRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from cafepick.data.sources import Source

SCHEMA: Final = 2
"""Of ``metrics.json``."""

RATES: Final = (0.01, 0.02, 0.05, 0.1)
"""False-reject rates at which promise and truth are compared."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """What to judge, what is known about it, and where the results go."""

    source: Source
    detector: Detector
    out: Path
    labelling: Labelling = field(default_factory=Labelling)
    false_reject: float = FALSE_REJECT
    language: Literal["en", "ja"] = "en"
    """Of the report."""
    command: tuple[str, ...] = ()
    """What the user typed, for the record."""
    training_curves: Path | None = None
    """Picture of how training went, for the report."""
    resume: bool = False
    """Take up an interrupted run in ``out``."""


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What came out."""

    metrics: dict[str, Any]
    """The content of ``metrics.json``; empty when the run was stopped before the last photo."""
    subjects: tuple[SubjectRow, ...]
    """One for each line of ``scores.csv``."""
    mistakes: tuple[Mistake, ...]
    """Good subjects judged NG, the highest score first, then defective ones judged OK, the lowest first."""
    failures: tuple[Failure, ...]
    photos: int
    """Photos judged."""

    @property
    def finished(self) -> bool:
        """False when the run was stopped before the last photo."""
        return bool(self.metrics)


def evaluate_source(job: Evaluation, *, progress: Progress, stopping: Callable[[], bool] = lambda: False) -> Evaluated:
    """Judge every photo as ``detect`` would and compare the verdicts with the labels.

    Writes ``metrics.json``, ``scores.csv`` and ``report.html`` into ``job.out``. A photo that cannot be read, or whose
    mask cannot, is named in the result, and the run goes on. A run that was stopped or killed leaves
    ``evaluate.partial.jsonl`` behind, from which ``job.resume`` takes it up.

    Args:
        job: what to judge, and what is known about it.
        progress: called after each set of photos.
        stopping: asked then; True ends the run before its results are written.

    Raises:
        SourceError: there are no labels, they fit nothing, or no labelled subject could be judged.
        CalibrationError: the model cannot promise the false-reject rate asked for, or a score is not finite.
        ConfigError: the class called good is not there, there are no outlines to use, or the run to take up was made
            with another model, method, rate, source or truth.
        OutputError: the results cannot be written.
    """
    job.detector.threshold(job.false_reject)  # an impossible promise is refused before any work
    remarks = job.labelling.check(job.source)
    with Notebook(job.out, _identity(job), resume=job.resume) as book:
        notes, failures = _judge(job, book, progress, stopping)
        done = len(book.names)
        if done + len(failures) < len(job.source.items):
            return Evaluated({}, tuple(notes.subjects), (), tuple(failures), done)
        if not any(row.label is not None and row.score is not None for row in notes.subjects):
            book.remove()
            raise _nothing_judged(job, notes, failures)
        result = _write_results(job, notes, failures, remarks)
        book.remove()
    return result


def _write_results(
    job: Evaluation, notes: Notes, failures: Sequence[Failure], remarks: Sequence[Omission]
) -> Evaluated:
    metrics = _metrics(job, notes, failures, remarks)
    write_csv(job.out / "scores.csv", (*COLUMNS, *PART_COLUMNS, "label"), notes.table)
    write_json(job.out / "metrics.json", metrics)
    photos = len(job.source.items) - len(failures)
    result = Evaluated(metrics, tuple(notes.subjects), (*notes.rejected, *notes.missed), tuple(failures), photos)
    write_report(
        job.out / "report.html",
        metrics,
        result.subjects,
        result.mistakes,
        language=job.language,
        training_curves=job.training_curves,
    )
    return result


def _identity(job: Evaluation) -> dict[str, Any]:
    """What two runs must have in common for the second to go on with the first."""
    return {
        **judging(job.detector, job.source, job.false_reject),
        "photos": len(job.source.items),
        "good": list(job.labelling.good),
        "use_outlines": job.labelling.use_outlines,
        "truth": job.labelling.digest(job.source),
    }


def _judge(
    job: Evaluation, book: Notebook, progress: Progress, stopping: Callable[[], bool]
) -> tuple[Notes, list[Failure]]:
    """Judge the photos that ``book`` does not know yet; return what is known of all."""
    items, failures = job.source.items, list[Failure]()
    masks = any(item.mask_path is not None for item in items)
    notes = Notes(job.labelling, learnt_prints(job.detector.facts), side_for(len(items)) if masks else None)
    for name in book.names:
        notes.add(book.read(name))
    known = set(book.names)
    remaining = [item for item in items if item.name not in known]
    for batch in batches(job.source, job.detector, remaining, failures, annotated=job.labelling.use_outlines):
        verdicts = job.detector.judge([photo.prepared for photo in batch], false_reject=job.false_reject)
        for photo, found in zip(batch, verdicts, strict=True):
            try:
                truth = job.labelling.truth_of(photo.item, photo.prepared)
            except PhotoError as error:
                failures.append(Failure(photo.item.name, str(error)))
                continue
            noted = notes.of(photo, found, truth)
            book.add(photo.item.name, noted)
            notes.add(noted)
        progress("judging photos", len(book.names) + len(failures), len(items))
        if stopping():
            break
    place = {item.name: number for number, item in enumerate(items)}
    return notes, sorted(failures, key=lambda failure: place[failure.name])


def _metrics(job: Evaluation, notes: Notes, failures: Sequence[Failure], remarks: Sequence[Omission]) -> dict[str, Any]:
    """Return the content of ``metrics.json``."""
    judged = notes.judged()
    subjects = evaluate_subjects(judged, _promise(job.detector, job.false_reject), _promises(job))
    pixels, finding = _pixels(job, notes), _finding(job, notes)
    verdicts = Counter(row.verdict for row in notes.subjects)
    unmatched = sum(row.label is None and row.score is not None for row in notes.subjects)
    facts = job.detector.facts
    omitted = [*remarks, *_hints(job, judged, notes), *subjects.omitted, *pixels.omitted, *finding.omitted]
    return {
        "schema": SCHEMA,
        "cafepick": __version__,
        "command": list(job.command),
        "source": str(job.source.root),
        "model": job.detector.checksum,
        "method": job.detector.method,
        "precision": job.detector.precision,
        "date": now(),
        "training": without_prints(facts.get("training", {})),
        "calibration": _calibration(job.detector),
        "versions": facts.get("versions", {}),
        "subject": job.detector.crop.subject,
        "good": list(job.labelling.good),
        "subjects": {
            "good": int(np.sum(~judged.defective)),
            "defect": int(np.sum(judged.defective)),
            "good_photos": len(notes.good_photos()),
            "good_photos_seen": len(notes.good_photos() & notes.learnt),
            "photos": len({row.image for row in notes.subjects}),
            "cut": verdicts[Judgement.CUT],
            "empty_photos": verdicts[Judgement.EMPTY],
            "unmatched": unmatched,
            "unreadable": [{"image": failure.name, "reason": failure.reason} for failure in failures],
        },
        **subjects.numbers,
        **pixels.numbers,
        **finding.numbers,
        "omitted": [omission.as_json() for omission in omitted],
    }


def _calibration(detector: Detector) -> dict[str, Any]:
    """Say what set the thresholds; what differs between ways to score is that of the detector's own."""
    record = without_prints(detector.facts.get("calibration", {}))
    if history := record.get("history"):
        record["history"] = [_of_any_way(former) for former in history]
    mine = detector.yardsticks()[detector.way]
    subjects = {} if mine.calibration is None else {"subjects": len(mine.calibration.scores)}
    return _of_any_way(record) | subjects | mine.to_header()


def _of_any_way(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of a calibration without what the model file says there of the method ``exact`` alone."""
    return {key: value for key, value in record.items() if key not in ("fusion", "pixel_threshold")}


def _promise(detector: Detector, rate: float) -> Promise:
    said = detector.promise(rate)
    return Promise(rate, said["false_reject_upper_bound"], said["threshold"])


def _promises(job: Evaluation) -> list[Promise]:
    """Return what is promised at each of ``RATES`` for which there are calibration subjects enough."""
    count = job.detector.promise(job.false_reject)["calibration_subjects"]
    return [_promise(job.detector, rate) for rate in RATES if needed(rate) <= count]


def _pixels(job: Evaluation, notes: Notes) -> Findings:
    left_out = []
    if notes.without_mask:
        left_out.append(Omission("pixel", "without_mask", {"photos": notes.without_mask}))
    if notes.unmarked:
        first = {"first": notes.unmarked[0]}
        left_out.append(Omission("pixel", "mask_unmarked", {"photos": len(notes.unmarked), **first}))
    if not notes.pixels or not any(one.mask.any() for one in notes.pixels):
        masks = any(item.mask_path is not None for item in job.source.items)
        reason = Omission("pixel", "no_usable_mask" if masks else "no_masks")
        return Findings({"pixel": None}, (reason, *left_out))
    findings = evaluate_pixels(notes.pixels)
    return findings._replace(omitted=(*findings.omitted, *left_out))


def _finding(job: Evaluation, notes: Notes) -> Findings:
    if notes.found:
        return evaluate_finding(notes.found)
    if job.labelling.use_outlines:
        reason = "outlines_judged"
    elif all(item.outlines is None for item in job.source.items):
        reason = "no_outlines"
    else:
        reason = "whole_photos"
    return Findings({"finding": None}, (Omission("finding", reason),))


def _hints(job: Evaluation, judged: Judged, notes: Notes) -> list[Omission]:
    """Say what may be a slip of the user."""
    hints = [*_seen_before(job, notes), *_unmarked(job, notes)]
    if len(judged) and judged.defective.all():
        classes = ", ".join(sorted({str(label) for label in judged.labels}))
        hints.append(Omission("good", "no_class_good", {"classes": classes}))
    if job.labelling.labels is not None:
        there = {(row.image, row.bean) for row in notes.subjects}
        photos = {row.image for row in notes.subjects}
        lost = sorted(bean for bean in job.labelling.labels.beans if bean not in there and bean[0] in photos)
        if lost:
            first = {"first": lost[0][0], "bean": lost[0][1]}
            hints.append(Omission("labels", "beans_not_found", {"beans": len(lost), **first}))
    return hints


def _unmarked(job: Evaluation, notes: Notes) -> list[Omission]:
    """Tell of photos of defects whose mask marks none of their beans: the mask may be the wrong one."""
    if job.labelling.labels is not None:
        return []
    marked = {row.image for row in notes.subjects if row.label is None or not job.labelling.is_good(row.label)}
    judged = {row.image for row in notes.subjects if row.score is not None}
    masked = [item for item in job.source.items if item.mask_path is not None and item.outlines is None]
    lost = [item.name for item in masked if item.name in judged and item.name not in marked]
    if not lost:
        return []
    return [Omission("masks", "masks_beside", {"masks": len(lost), "first": lost[0]})]


def _seen_before(job: Evaluation, notes: Notes) -> list[Omission]:
    """Tell of photos that the model learnt from, under any name: it knows their beans."""
    if not notes.learnt:
        return []
    return [Omission(SEEN_BEFORE, "learnt_from", {"learnt": len(notes.learnt), "photos": len(job.source.items)})]


def _nothing_judged(job: Evaluation, notes: Notes, failures: Sequence[Failure]) -> SourceError:
    first = f" (first: {failures[0].reason})" if failures else ""
    verdicts = Counter(row.verdict for row in notes.subjects)
    judged = verdicts[Judgement.OK] + verdicts[Judgement.NG]
    return SourceError(
        f"no subject in {job.source.root} has both a label and a score: of {len(job.source.items)} photos "
        f"{len(failures)} are unreadable{first} and {verdicts[Judgement.EMPTY]} empty; {judged} subjects without a "
        f"label were judged, {verdicts[Judgement.CUT]} are cut by the frame: check that labels and photos fit"
    )

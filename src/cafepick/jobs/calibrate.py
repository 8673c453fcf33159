"""Set a model's thresholds by good subjects that it was not trained on; needs no torch but what the model needs.

Subjects kept aside in training serve three ends: the networks never see them, but their scores of them bring the parts
of a score to one scale and set its threshold, and what is learnt at the end about the appearance of good subjects is
learnt from them too, as photos of good subjects are few and each shows another light. So that the promise holds, each
of them is judged by what was learnt without it (cross-conformal prediction: Vovk, Annals of Mathematics and Artificial
Intelligence 74, 2015). Good subjects that come later teach what their light does to descriptors as well; each of them
is judged by what other photos show of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from cafepick.beans.conditions import Conditions
from cafepick.beans.descriptors import tells_light
from cafepick.detector import HALF_FAST, KEPT_ASIDE, half_is_native, shown_in_training
from cafepick.errors import CalibrationError
from cafepick.files import replacing
from cafepick.jobs.gather import gather_as
from cafepick.jobs.seen import FIELD, KEPT, record_of, refuse_learnt
from cafepick.scoring.again import shown_first
from cafepick.scoring.appearance import Looked, scores_in_their_light
from cafepick.scoring.fusion import APPEARANCE
from cafepick.yardstick import Yardstick

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from cafepick.beans.conditions import Range
    from cafepick.data.sources import Source
    from cafepick.detector import Detector
    from cafepick.jobs.gather import Progress, Subjects
    from cafepick.scoring.fusion import Fusion
    from cafepick.types import Scored

HELD_BACK_FILE: Final = "held_back.safetensors"
MOST_SEARCHED: Final = 200
"""Good subjects by which the slower methods of a model with a quick one are calibrated: enough for a rate of 1 %."""
ENOUGH_FOR_SCALES: Final = 3
"""Good subjects kept aside that give the scales of the parts: two while a third is scored. Seven are rough, but the
networks know the few subjects that they learnt from by heart, and scales from those would be many times too fine."""
AGAIN: Final = "shown_again"
"""Of the record of a calibration: subjects left out because another of its photos shows them too."""
ENOUGH_FOR_LIGHT: Final = 5
"""Photos that tell what is usual in their light. With fewer, how it varies from photo to photo is not known."""


class Sample(NamedTuple):
    """Subjects as a detector scores them."""

    images: NDArray[np.uint8]
    """(n, size, size, c) crops."""
    descriptors: NDArray[np.float64]
    """(n, d)"""
    unusual: NDArray[np.float64] | None = None
    """(n,) what an appearance learnt without these subjects says of them; None: the detector's is such a one."""
    excess: NDArray[np.float64] | None = None
    """(n, p) where it finds something by a closer look, where there is one."""
    photos: NDArray[np.int64] | None = None
    """(n,) number of the photo that each comes from, where that is known."""

    def of(self, rows: NDArray[np.bool_]) -> Sample:
        """Return some of them."""
        return Sample(*(None if column is None else column[rows] for column in self))  # type: ignore[arg-type]


def score_each(detector: Detector, good: Sample, *, stage: str, progress: Progress) -> dict[str, Scored]:
    """Return what each way to score that the model knows says of subjects, by name (``Detector.way``).

    The quick ones see all of them, the others, which search, ``MOST_SEARCHED`` at most, drawn once and for all. The
    method fast is also run in bfloat16 where that is native.
    """
    methods = detector.networks.methods
    half = methods[0] == "fast" and (half_is_native(detector.networks) or detector.way == HALF_FAST)
    plan = [detector.using(method, precision="float32" if method == "fast" else None) for method in methods]
    plan += [detector.using("fast", precision="bfloat16")] if half else []
    some = np.sort(np.random.default_rng(0).permutation(len(good.images))[:MOST_SEARCHED])
    chosen = [some if one.method in methods[1:] else np.arange(len(good.images)) for one in plan]
    total, done = sum(map(len, chosen)), 0
    scored: dict[str, Scored] = {}
    for one, rows in zip(plan, chosen, strict=True):
        found = one.score(
            good.images[rows],
            good.descriptors[rows],
            looked=None if good.unusual is None else Looked(good.unusual[rows], _of(good.excess, rows)),
            progress=lambda now_done, _, before=done: progress(stage, before + now_done, total),
        )
        scored[one.way] = found
        done += len(rows)
    return scored


def _of(table: NDArray[np.float64] | None, rows: NDArray[np.int64]) -> NDArray[np.float64] | None:
    return None if table is None else table[rows]


def calibrate(
    detector: Detector,
    good: Sample,
    *,
    where: str,
    conditions: Range | None,
    prints: Iterable[str] = (),
    progress: Progress,
) -> Detector:
    """Return ``detector`` with its threshold set by good subjects that it was not trained on.

    What is usual in their light is learnt from them too, if they come from ``ENOUGH_FOR_LIGHT`` photos or more; what
    former ones told of theirs is forgotten. A subject that several photos show counts once.

    Args:
        detector: calibrated before or not.
        good: subjects cut as the detector's ``crop`` says.
        where: what they are, for the record in the artefact.
        conditions: what their photos show besides; None keeps what was known before.
        prints: of their photos (``seen``), so that none of them is taken for new.
        progress: called while they are scored.

    Raises:
        CalibrationError: no subject was given, or a score is not finite.
    """
    detector, given = _as_trained(detector), len(good.images)
    looks = detector.appearance if tells_light(detector.crop) else None
    if good.photos is not None:
        told = None if looks is None else looks.standardised(good.descriptors)
        good = good.of(shown_first(good.images, good.photos, told))
    if looks is not None and good.photos is not None and len(np.unique(good.photos)) >= ENOUGH_FOR_LIGHT:
        lit, unusual = scores_in_their_light(looks, good.descriptors, good.photos, seed=0)
        detector, good = detector.with_appearance(lit), good._replace(unusual=unusual)
    shown = detector.facts.get("calibration", {}).get("conditions") if conditions is None else asdict(conditions)
    scored = score_each(detector, good, stage="calibrating", progress=progress)
    record = {"source": where, "subjects": len(good.images), "conditions": shown, FIELD: record_of(prints)}
    again = given - len(good.images)
    return _set(detector, scored, record | ({AGAIN: again} if again else {}))


def calibrate_on(
    detector: Detector, photos: Source, *, where: str | None = None, progress: Progress
) -> tuple[Detector, Subjects]:
    """Calibrate on photos of good subjects that the model was not trained on; return them too.

    Args:
        detector: calibrated before or not.
        photos: of good subjects only.
        where: what they are, for messages and the record in the artefact; None takes their folder.
        progress: called while they are found, cut and scored.

    Raises:
        SourceError: nothing was found in any of them.
        CalibrationError: the model learnt from one of them, or a score is not finite.
    """
    where = where or str(photos.root)
    subjects = gather_as(photos, detector.crop, progress=progress)
    refuse_learnt(detector.facts, subjects, where)
    good = Sample(subjects.crops, subjects.descriptors, photos=subjects.groups)
    ready = calibrate(
        detector, good, where=where, conditions=subjects.conditions, prints=subjects.prints, progress=progress
    )
    return ready, subjects


def knows_other_light(detector: Detector) -> bool:
    """Return whether the detector knows a light that it was calibrated in, besides those of its training."""
    light = None if detector.appearance is None else detector.appearance.light
    return light is not None and light.is_told


def _as_trained(detector: Detector) -> Detector:
    """Return the detector without what good subjects that it was calibrated with told of their light."""
    if detector.appearance is None or not knows_other_light(detector):
        return detector
    return detector.with_appearance(detector.appearance.in_light_of(np.empty((0, detector.appearance.width))))


def calibrate_by_kept(
    detector: Detector,
    kept: Sample,
    *,
    conditions: Range | None = None,
    scored: Mapping[str, Scored] | None = None,
    progress: Progress,
) -> Detector:
    """Return ``detector`` with scales and thresholds set by the good subjects that its training kept aside.

    What others told of their light when it was calibrated with them is forgotten.

    Args:
        detector: with the parts of its score, calibrated before or not.
        kept: enough of them (``ENOUGH_FOR_SCALES``) set the scales of all parts but the appearance anew.
        conditions: what the photos show besides; None keeps what was known when they were kept aside.
        scored: what ``score_each`` gave for them, where that is known.
        progress: called while they are scored.

    Raises:
        CalibrationError: no subject was given, or a score is not finite.
    """
    detector = _as_trained(detector)
    scored = dict(scored or score_each(detector, kept, stage="calibrating", progress=progress))
    known = detector.yardsticks()
    fusions: dict[str, Fusion] = {}
    for way, found in scored.items():
        fusion = known.get(way, known.get("fast", Yardstick())).fusion  # none where the reconstruction alone counts
        if fusion is None:
            continue
        if len(found.score) < ENOUGH_FOR_SCALES:
            fusions[way], score = fusion, fusion.score(found.parts)
        else:
            fusions[way], score = fusion.fitted_without_self(found.parts, keep={APPEARANCE})
        scored[way] = replace(found, score=score)
    if fusions:
        detector = detector.with_parts(detector.appearance, fusions)
    known = shown_in_training(detector.facts) if conditions is None else conditions
    shown = None if known is None else asdict(known)
    record = {"source": KEPT_ASIDE, "subjects": len(kept.images), "conditions": shown}
    prints = detector.facts.get("training", {}).get(KEPT)  # none where their appearance was learnt
    return _set(detector, scored, record | ({FIELD: prints} if prints else {}))


def size_not_learnt(detector: Detector, shown: Range | None) -> str | None:
    """Say so if beans to calibrate with are of a size that training did not show: no calibration teaches that.

    Args:
        detector: the model.
        shown: what their photos show; None for ``whole``.
    """
    trained = shown_in_training(detector.facts)
    if trained is None or shown is None:
        return None
    ends = {Conditions(trained.surface_low, length) for length in (shown.length_low, shown.length_high)}
    told = [trained.oddities(end, size_counts=detector.size_counts_in_pixels) for end in ends]
    return "; ".join(sorted({odd for found in told for odd in found})) or None


def _set(detector: Detector, scored: dict[str, Scored], record: dict[str, Any]) -> Detector:
    return detector.calibrated(scored.pop(detector.way), {**record, "date": now()}, others=scored)


def keep_aside(run: Path, kept: Sample) -> None:
    """Keep good subjects for ``kept_aside``, whole or not at all."""
    arrays = {"crops": kept.images, "descriptors": kept.descriptors}
    arrays |= {} if kept.unusual is None else {"unusual": kept.unusual}
    arrays |= {} if kept.excess is None else {"excess": kept.excess}
    with replacing(run / HELD_BACK_FILE) as temporary:
        temporary.write_bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def kept_aside(run: Path, detector: Detector) -> Sample:
    """Return the good subjects that the training of ``detector`` in ``run`` kept aside.

    Raises:
        CalibrationError: the run folder is not there, holds none, or holds those of another training.
    """
    path = run / HELD_BACK_FILE
    try:
        tensors = load_file(path)
        kept = Sample(tensors["crops"], tensors["descriptors"], tensors.get("unusual"), tensors.get("excess"))
    except (OSError, SafetensorError, KeyError) as error:
        raise CalibrationError(
            f"there are no good subjects kept aside in {path}, where training leaves them beside a model of that name: "
            f"name a folder of good photos that were not trained on"
        ) from error
    if digest_of(kept.images) != detector.facts.get("training", {}).get("held_back_sha256"):
        raise CalibrationError(
            f"{path} belongs to another training than this model: name a folder of good photos that were not trained on"
        )
    known = detector.appearance
    if known is not None and kept.descriptors.shape[1] != known.width:
        raise CalibrationError(
            f"{path} was written by a cafepick that measured subjects otherwise: name a folder of good photos that "
            f"were not trained on"
        )
    return kept


def digest_of(crops: NDArray[np.uint8]) -> str:
    """Return what tells crops (n, size, size, c) kept aside from others."""
    return hashlib.sha256(np.ascontiguousarray(crops).data).hexdigest()


def now() -> str:
    """Return the time as records have it: ISO 8601 in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")

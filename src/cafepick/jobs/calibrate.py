"""Set a model's thresholds by good subjects that it was not trained on; needs no torch but what the model needs."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from cafepick.detector import HALF_FAST, half_is_native
from cafepick.errors import CalibrationError
from cafepick.files import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from cafepick.beans.conditions import Range
    from cafepick.detector import Detector
    from cafepick.jobs.gather import Progress
    from cafepick.types import Scored

KEPT_ASIDE: Final = "kept aside in training"
HELD_BACK_FILE: Final = "held_back.safetensors"
MOST_SEARCHED: Final = 200
"""Good subjects by which the slower methods of a model with a quick one are calibrated: enough for a rate of 1 %."""


class Sample(NamedTuple):
    """Subjects as a detector scores them."""

    images: NDArray[np.uint8]
    """(n, size, size, c) crops."""
    descriptors: NDArray[np.float64]
    """(n, d)"""


def score_each(
    detector: Detector,
    images: NDArray[np.uint8],
    descriptors: NDArray[np.float64] | None,
    *,
    stage: str,
    progress: Progress,
) -> dict[str, Scored]:
    """Return what each way to score that the model knows says of crops (n, size, size, c), by name (``Detector.way``).

    The quick ones see all of them, the others, which search, ``MOST_SEARCHED`` at most, drawn once and for all. The
    method fast is also run in bfloat16 where that is native.
    """
    quickest, *searching = detector.networks.methods
    half = quickest == "fast" and (half_is_native(detector.networks) or detector.way == HALF_FAST)
    plan = [detector.using(method, precision="float32") for method in (quickest, *searching)]
    plan += [detector.using("fast", precision="bfloat16")] if half else []
    some = np.sort(np.random.default_rng(0).permutation(len(images))[:MOST_SEARCHED])
    chosen = [some if one.method in searching else np.arange(len(images)) for one in plan]
    total, done = sum(map(len, chosen)), 0
    scored: dict[str, Scored] = {}
    for one, rows in zip(plan, chosen, strict=True):
        scored[one.way] = one.score(
            images[rows],
            None if descriptors is None else descriptors[rows],
            progress=lambda now_done, _, before=done: progress(stage, before + now_done, total),
        )
        done += len(rows)
    return scored


def calibrate(
    detector: Detector, good: Sample, *, where: str, conditions: Range | None, progress: Progress
) -> Detector:
    """Return ``detector`` with its threshold set by good subjects that it was not trained on.

    Args:
        detector: calibrated before or not.
        good: subjects cut as the detector's ``crop`` says.
        where: what they are, for the record in the artefact.
        conditions: what their photos show besides; None keeps what was known before.
        progress: called while they are scored.

    Raises:
        CalibrationError: no subject was given, or a score is not finite.
    """
    scored = score_each(detector, *good, stage="calibrating", progress=progress)
    before = detector.facts.get("calibration", {}).get("conditions")
    shown = asdict(conditions) if conditions is not None else before
    record = {"source": where, "subjects": len(good.images), "conditions": shown, "date": now()}
    return detector.calibrated(scored.pop(detector.way), record, others=scored)


def keep_aside(run: Path, kept: Sample) -> None:
    """Keep good subjects for ``kept_aside``, whole or not at all."""
    with replacing(run / HELD_BACK_FILE) as temporary:
        temporary.write_bytes(
            save({"crops": np.ascontiguousarray(kept.images), "descriptors": np.ascontiguousarray(kept.descriptors)})
        )


def kept_aside(run: Path, detector: Detector) -> Sample:
    """Return the good subjects that the training of ``detector`` in ``run`` kept aside.

    Raises:
        CalibrationError: the run folder is not there, holds none, or holds those of another training.
    """
    path = run / HELD_BACK_FILE
    try:
        tensors = load_file(path)
        kept = Sample(tensors["crops"], tensors["descriptors"])
    except (OSError, SafetensorError, KeyError) as error:
        raise CalibrationError(
            f"there are no good subjects kept aside in {path}: name a folder of good photos that were not trained on"
        ) from error
    if digest_of(kept.images) != detector.facts.get("training", {}).get("held_back_sha256"):
        raise CalibrationError(
            f"{path} belongs to another training than this model: name a folder of good photos that were not trained on"
        )
    return kept


def digest_of(crops: NDArray[np.uint8]) -> str:
    """Return what tells crops (n, size, size, c) kept aside from others."""
    return hashlib.sha256(np.ascontiguousarray(crops).data).hexdigest()


def now() -> str:
    """Return the time as records have it: ISO 8601 in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")

"""Set a model's thresholds by good subjects that it was not trained on; needs no torch but what the model needs."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from cafepick.errors import CalibrationError
from cafepick.files import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from cafepick.beans.conditions import Range
    from cafepick.config import Method
    from cafepick.detector import Detector
    from cafepick.jobs.gather import Progress
    from cafepick.types import Scored

KEPT_ASIDE: Final = "kept aside in training"
HELD_BACK_FILE: Final = "held_back.safetensors"


class Sample(NamedTuple):
    """Subjects as a detector scores them."""

    images: NDArray[np.uint8]
    """(n, size, size, c) crops."""
    descriptors: NDArray[np.float64]
    """(n, d), d is 0 for ``whole``."""


def score_each(
    detector: Detector,
    images: NDArray[np.uint8],
    descriptors: NDArray[np.float64] | None,
    *,
    stage: str,
    progress: Progress,
) -> dict[Method, Scored]:
    """Return what each method that the model knows says of crops (n, size, size, c)."""
    methods = detector.networks.methods
    total = len(methods) * len(images)
    scored: dict[Method, Scored] = {}
    for method in methods:
        before = len(scored) * len(images)
        scored[method] = detector.using(method).score(
            images, descriptors, progress=lambda done, _, before=before: progress(stage, before + done, total)
        )
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
    return detector.calibrated(scored.pop(detector.method), record, others=scored)


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

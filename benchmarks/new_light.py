"""What calibrating brings in a light that no good photo of the training has.

    python benchmarks/new_light.py --data ../shared/data --models MODELS --out benchmarks/results/new_light.json

``MODELS`` is what ``benchmarks/accuracy.py trays --recipes quick --keep MODELS`` kept: models that each learnt from all
healthy photos but one. Half of the beans of that one, drawn at random by the model's seed, calibrate it; the other half
and the beans of all defective photos are judged. Three ways: ``as trained``; ``threshold`` sets the threshold alone;
``light`` is what ``cafepick calibrate`` does, which learns the light too. AUROC of each kind against the good half, and
what is rejected of it and missed of the defective ones at 5 % promised. Nothing here chooses anything by what it
measures.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import numpy as np

from cafepick.beans.descriptors import descriptors_of
from cafepick.detector import Detector
from cafepick.files import write_json
from cafepick.images import read_photo
from cafepick.jobs.calibrate import Sample, calibrate, score_each
from cafepick.scoring.metrics import auroc

if TYPE_CHECKING:
    from collections.abc import Callable

RATE = 0.05


def sample_of(photos: list[Path], detector: Detector) -> Sample:
    """Return all beans of some photos."""
    crops = [crop for photo in photos for crop in detector.prepare(read_photo(photo)).crops if crop is not None]
    return Sample(np.stack([crop.image for crop in crops]), descriptors_of(crops, detector.crop))


def rows_of(sample: Sample, rows: np.ndarray) -> Sample:
    """Return some of the beans."""
    return Sample(sample.images[rows], sample.descriptors[rows])


def quietly(*_: object) -> None:
    """Progress that nobody watches."""


def threshold_alone(detector: Detector, good: Sample) -> Detector:
    """Set the threshold by good beans, and learn nothing of their light."""
    scored = score_each(detector, good, stage="calibrating", progress=quietly)
    return detector.calibrated(scored.pop(detector.way), {"source": "half a photo"}, others=scored)


def with_light(detector: Detector, good: Sample) -> Detector:
    """Calibrate as the command does."""
    return calibrate(detector, good, where="half a photo", conditions=None, progress=quietly)


WAYS: dict[str, Callable[[Detector, Sample], Detector]] = {
    "as trained": lambda detector, _: detector,
    "threshold": threshold_alone,
    "light": with_light,
}


def measured(detector: Detector, good: Sample, bad: dict[str, Sample]) -> dict[str, float]:
    """Return AUROC of each kind of defect, and the shares at the promised rate."""
    threshold = float(detector.promise(RATE)["threshold"])
    low = detector.score(good.images, good.descriptors).score
    found = {"rejected of good": float(np.mean(low > threshold))}
    for kind, sample in bad.items():
        high = detector.score(sample.images, sample.descriptors).score
        truth = np.repeat([False, True], [len(low), len(high)])
        found[f"AUROC {kind}"] = auroc(truth, np.concatenate([low, high]))
        found[f"missed of {kind}"] = float(np.mean(high <= threshold))
    return found


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--data", type=Path, required=True)
    flags.add_argument("--models", type=Path, required=True)
    flags.add_argument("--recipe", default="quick")
    flags.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    flags.add_argument("--out", type=Path)
    options = flags.parse_args()
    kinds = sorted(path for path in (options.data / "trays").iterdir() if path.is_dir() and path.name != "healthy")
    rows: list[dict[str, object]] = []
    for photo in sorted((options.data / "trays/healthy").iterdir()):
        runs: dict[str, list[dict[str, float]]] = defaultdict(list)
        for seed in options.seeds:
            detector = Detector.load(options.models / f"trays-{photo.stem}-{options.recipe}-{seed}/model.cafepick")
            healthy = sample_of([photo], detector)
            order = np.random.default_rng(seed).permutation(len(healthy.images))
            to_learn, to_judge = (rows_of(healthy, rows) for rows in np.array_split(order, 2))
            bad = {kind.name: sample_of(sorted(kind.iterdir()), detector) for kind in kinds}
            for name, way in WAYS.items():
                runs[name].append(measured(way(detector, to_learn), to_judge, bad))
        for name, found in runs.items():
            row = {key: round(mean(one[key] for one in found), 4) for key in found[0]}
            print(photo.stem, name, row, flush=True)
            rows.append({"left out": photo.stem, "way": name, "seeds": options.seeds, **row})
    if options.out:
        write_json(options.out, {"recipe": options.recipe, "promised": RATE, "rows": rows})


if __name__ == "__main__":
    main()

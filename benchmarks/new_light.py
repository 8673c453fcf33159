"""What calibrating brings in a light that no good photo of the training has.

    python benchmarks/new_light.py --data ../shared/data --out benchmarks/results/new_light.json

USK photographs lie on paper that the camera wrote from bluish to yellowish. A model (``quick``) learns from the good
beans of ``usk/train`` whose surface has b* below 1 (CIE Lab). Photos with b* above 2 are the new light: of those of
``usk/train/good``, so many (``--photos``), drawn at random, calibrate the model, and those of ``usk/valid`` are judged.
Three ways: ``as trained``; ``threshold`` sets the threshold alone; ``light`` is what ``cafepick calibrate`` does, which
learns the light too. Nothing here chooses anything by what it measures.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean, pstdev
from typing import TYPE_CHECKING

import numpy as np

from cafepick.beans.conditions import surface_colour
from cafepick.beans.scene import scene_of
from cafepick.cores import shared
from cafepick.data.sources import open_source
from cafepick.detector import Detector
from cafepick.files import write_json
from cafepick.images import read_photo
from cafepick.jobs.calibrate import Sample, calibrate
from cafepick.jobs.gather import gather_as
from cafepick.scoring.metrics import auroc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cafepick.config import CropConfig

KNOWN, NEW = 1.0, 2.0
"""b* of the surfaces that the model learns from, at most, and of the new light, at least."""
RATES = (0.02, 0.05, 0.1)


def yellowness(photo: Path) -> float:
    """Return b* of the surface, CIE Lab."""
    return surface_colour(scene_of(read_photo(photo)))[2]


def sorted_by_light(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the photos in known and in new light."""
    photos = sorted(folder.iterdir())
    light = shared(yellowness, photos)
    known = [photo for photo, one in zip(photos, light, strict=True) if one < KNOWN]
    return known, [photo for photo, one in zip(photos, light, strict=True) if one > NEW]


def sample_of(photos: Sequence[Path], crop: CropConfig, scratch: Path) -> Sample:
    """Return the beans of some photos."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        link_all(photos, Path(folder))
        found = gather_as(open_source(folder, purpose="train"), crop, progress=quietly)
    return Sample(found.crops, found.descriptors, photos=found.groups)


def link_all(photos: Sequence[Path], folder: Path) -> None:
    """Fill a folder with links to photos."""
    folder.mkdir(exist_ok=True)
    for photo in photos:
        (folder / photo.name).symlink_to(photo.resolve())


def quietly(*_: object) -> None:
    """Progress that nobody watches."""


def judged(detector: Detector, good: Sample, bad: Sample) -> dict[str, float]:
    """Return AUROC, and the shares of good beans rejected and of defective ones missed."""
    low, high = (detector.score(one.images, one.descriptors).score for one in (good, bad))
    truth = np.repeat([False, True], [len(low), len(high)])
    found = {"AUROC": auroc(truth, np.concatenate([low, high]))}
    for rate in RATES:
        threshold = detector.promise(rate)["threshold"]
        found[f"rejected of good at {rate}"] = float(np.mean(low > threshold))
        found[f"missed of defective at {rate}"] = float(np.mean(high <= threshold))
    return found


def calibrated(detector: Detector, good: Sample) -> Detector:
    """Calibrate; the light is learnt where the photos are known."""
    return calibrate(detector, good, where="new light", conditions=None, progress=quietly)


def one_training(seed: int, options: argparse.Namespace, scratch: Path) -> list[dict[str, object]]:
    """Teach a model in the known light; calibrate and judge it in the new one."""
    known, new = sorted_by_light(options.data / "usk/train/good")
    link_all(known, scratch / f"known-{seed}")
    model = scratch / f"{seed}.cafepick"
    command = ["train", str(scratch / f"known-{seed}"), "--subject", "beans", "--recipe", "quick", "--seed", str(seed)]
    subprocess.run([sys.executable, "-m", "cafepick.cli.app", *command, "--model", str(model)], check=True)
    detector = Detector.load(model)
    good, bad = (
        sample_of(sorted_by_light(options.data / "usk/valid" / kind)[1], detector.crop, scratch)
        for kind in ("good", "defect")
    )
    about = {"seed": seed, "learnt from": len(known), "good": len(good.images), "defective": len(bad.images)}
    rows: list[dict[str, object]] = [{**about, "way": "as trained", **judged(detector, good, bad)}]
    order = np.random.default_rng(seed).permutation(len(new))
    for photos in options.photos:
        some = sample_of([new[index] for index in sorted(order[:photos])], detector.crop, scratch)
        for way, sample in (("threshold", some._replace(photos=None)), ("light", some)):
            rows.append({**about, "way": way, "photos": photos, **judged(calibrated(detector, sample), good, bad)})
            print(rows[-1], flush=True)
    return rows


def summary(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return mean and standard deviation over the seeds of each way and number of photos."""
    found = []
    for way, photos in dict.fromkeys((row["way"], row.get("photos")) for row in rows):
        mine = [row for row in rows if (row["way"], row.get("photos")) == (way, photos)]
        names = [name for name, value in mine[0].items() if isinstance(value, float)]
        means = {name: round(mean(row[name] for row in mine), 4) for name in names}  # type: ignore[misc]
        spread = {name: round(pstdev(row[name] for row in mine), 4) for name in names}  # type: ignore[misc]
        found.append({"way": way, "photos": photos, "mean": means, "standard deviation": spread})
    return found


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--data", type=Path, required=True)
    flags.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    flags.add_argument("--photos", type=int, nargs="+", default=[50, 200])
    flags.add_argument("--out", type=Path)
    options = flags.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        rows = [row for seed in options.seeds for row in one_training(seed, options, Path(scratch))]
    result = {"recipe": "quick", "known": f"b* < {KNOWN:g}", "new": f"b* > {NEW:g}", "rows": rows}
    result["summary"] = summary(rows)
    for row in result["summary"]:
        print(row)
    if options.out:
        write_json(options.out, result)


if __name__ == "__main__":
    main()

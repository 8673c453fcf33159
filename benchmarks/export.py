"""Exported models against the trained one, on the same crops in one run: agreement, and processor time a crop.

    python benchmarks/export.py beans.cafepick photos [more ...] [--crops 1000] [--timed 256] [--json results.json]

Models are exported as ``cafepick export`` does: compared on the subjects that training kept aside, where they are still
there. Then both judge real beans, evenly taken from all the photos.

Processor time is what all threads of the process used; on a busy machine it is steadier than the clock. The four take
turns round by round, so that what else the machine does falls on all alike. Compare the rows of one run with each
other, not with those of another.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cafepick import Detector
from cafepick.cli.export import _at_hand
from cafepick.data.sources import open_source
from cafepick.export import export
from cafepick.files import write_json
from cafepick.jobs.calibrate import Sample
from cafepick.jobs.gather import gather_as
from cafepick.scoring.agreement import agreement_of
from cafepick.scoring.runtimes import FILES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cafepick.types import Scored

ROUNDS = 5


def real_beans(photos: Sequence[str], detector: Detector, count: int) -> tuple[Sample, dict[str, int]]:
    """Return ``count`` beans, equally many of each source as far as it has them, and how many of each."""
    images, descriptors, taken = [], [], {}
    for left, source in zip(range(len(photos), 0, -1), photos, strict=True):
        subjects = gather_as(open_source(source), detector.crop, progress=lambda *_: None)
        wanted = min(len(subjects.crops), (count - sum(taken.values())) // left)
        rows = np.linspace(0, len(subjects.crops) - 1, wanted).round().astype(int)
        images.append(subjects.crops[rows])
        descriptors.append(subjects.descriptors[rows])
        taken["/".join(Path(source).parts[-2:])] = wanted
    return Sample(np.concatenate(images), np.concatenate(descriptors)), taken


def agreement(trained: Detector, ours: Scored, exported: Detector, seen: Sample) -> dict[str, Any]:
    """Compare an exported model with what the trained one said."""
    assert trained.calibration is not None
    assert exported.calibration is not None
    theirs = exported.score(seen.images, seen.descriptors)
    found = agreement_of(ours, theirs, (trained.calibration, exported.calibration))
    return {**asdict(found), "objections": found.objections()}


def processor_time(detectors: dict[str, Detector], images: np.ndarray) -> dict[str, list[float]]:
    """Seconds of processor time that each takes for the images, round by round, after one that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in detectors}
    for _ in range(1 + ROUNDS):
        for name, detector in detectors.items():
            began = time.process_time()
            detector.networks.score(images, detector.search, method="fast", precision=detector.precision)
            seconds[name].append(time.process_time() - began)
    return {name: taken[1:] for name, taken in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--crops", type=int, default=1000)
    parser.add_argument("--timed", type=int, default=256)
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    trained = Detector.load(words.model, method="fast", device="cpu", precision="float32")
    sample, where = _at_hand(words.model, trained)
    seen, taken = real_beans(words.photos, trained, words.crops)
    ours = trained.score(seen.images, seen.descriptors)
    found: dict[str, Any] = {"crops": taken, "size": trained.crop.size, "exported_on": where, "agreement": {}}
    detectors = {
        "torch float32": trained,
        "torch bfloat16": Detector.load(words.model, method="fast", device="cpu", precision="bfloat16"),
    }
    with tempfile.TemporaryDirectory() as folder:
        for graph in FILES:
            out = Path(folder, f"{graph}.cafepick")
            export(trained, out, graph, sample, source=where, progress=lambda *_: None)
            detectors[graph] = Detector.load(out)
            found["agreement"][graph] = agreement(trained, ours, detectors[graph], seen)
    found["load_before"] = os.getloadavg()[0]
    seconds = processor_time(detectors, seen.images[:: max(1, len(seen.images) // words.timed)][: words.timed])
    found["load_after"] = os.getloadavg()[0]
    middle = {name: float(np.median(taken)) for name, taken in seconds.items()}
    found["timed"] = {"crops": words.timed, "rounds": ROUNDS, "threads": os.environ.get("OMP_NUM_THREADS", "all")}
    found["processor_seconds"] = {name: [round(one, 3) for one in taken] for name, taken in seconds.items()}
    found["relative_time"] = {name: round(one / middle["torch float32"], 2) for name, one in middle.items()}
    print(json.dumps(found, indent=2))
    if words.json:
        write_json(words.json, found)


if __name__ == "__main__":
    main()

"""Exported models against the trained one, on the same crops in one run: agreement, and crops a second of a processor.

    python benchmarks/export.py beans.cafepick photos [--crops 1000] [--json results.json]

Processor time is what all threads of the process used; on a busy machine it is steadier than the clock. Compare the
rows of one run with each other, not with those of another.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cafepick import Detector
from cafepick.data.sources import open_source
from cafepick.export import export
from cafepick.files import write_json
from cafepick.jobs.calibrate import Sample
from cafepick.jobs.gather import gather_as
from cafepick.scoring.agreement import agreement_of
from cafepick.scoring.runtimes import FILES

if TYPE_CHECKING:
    import numpy as np

ROUNDS = 3


def rate_of(detector: Detector, images: np.ndarray) -> float:
    """Crops a second of processor time, the best of some rounds."""
    detector.networks.score(images[:64], detector.search, method="fast", precision=detector.precision)
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        detector.networks.score(images, detector.search, method="fast", precision=detector.precision)
        seconds.append(time.process_time() - began)
    return len(images) / min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("photos")
    parser.add_argument("--crops", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    trained = Detector.load(words.model, method="fast", device="cpu", precision="float32")
    subjects = gather_as(open_source(words.photos), trained.crop, progress=lambda *_: None)
    seen = Sample(subjects.crops[: words.crops], subjects.descriptors[: words.crops])
    ours = trained.score(*seen)
    half = Detector.load(words.model, method="fast", device="cpu", precision="bfloat16")
    found: dict[str, Any] = {"crops": len(seen.images), "size": trained.crop.size}
    rates = {"torch float32": rate_of(trained, seen.images), "torch bfloat16": rate_of(half, seen.images)}
    with tempfile.TemporaryDirectory() as folder:
        for graph in FILES:
            out = Path(folder, f"{graph}.cafepick")
            few = Sample(seen.images[:64], seen.descriptors[:64])
            export(trained, out, graph, few, source=words.photos, progress=lambda *_: None)
            exported = Detector.load(out)
            assert trained.calibration is not None
            assert exported.calibration is not None
            agreement = agreement_of(ours, exported.score(*seen), (trained.calibration, exported.calibration))
            found[graph] = {"agreement": asdict(agreement), "objections": agreement.objections()}
            rates[graph] = rate_of(exported, seen.images)
    found["relative_speed"] = {name: round(rate / rates["torch float32"], 2) for name, rate in rates.items()}
    print(json.dumps(found, indent=2))
    if words.json:
        write_json(words.json, found)


if __name__ == "__main__":
    main()

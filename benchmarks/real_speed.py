"""How many real beans a second a model judges, crops in, verdicts and maps out: 300 photos of each folder at once.

    OPENBLAS_NUM_THREADS=1 python benchmarks/real_speed.py beans.cafepick FOLDER [FOLDER ...]

What a bean costs to describe grows with the pixels that it covers, so beans that are small in their crops, as those of
``cafepick bench``'s drawn tray are to a model of USK, tell too much.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from cafepick.detector import Detector
from cafepick.images import read_photo


def main() -> None:
    detector = Detector.load(sys.argv[1])
    for folder in map(Path, sys.argv[2:]):
        photos = [detector.prepare(read_photo(path)) for path in sorted(folder.iterdir())[:300]]
        crops = [crop for photo in photos for crop in photo.crops if crop is not None]
        detector.judge(photos)
        walls, busy = [], []
        for _ in range(7):
            wall, processor = time.perf_counter(), time.process_time()
            detector.judge(photos)
            walls.append(time.perf_counter() - wall)
            busy.append(time.process_time() - processor)
        print(
            f"{folder.name}: {len(crops)} beans, {np.mean([crop.mask.mean() for crop in crops]):.2f} of the crop, "
            f"{len(crops) / np.median(walls):.0f} a second, {1e3 * min(busy) / len(crops):.2f} ms of a core a bean"
        )


if __name__ == "__main__":
    main()

"""Measure how well and how fast beans are found, on one core, as JSON.

    python benchmarks/find_beans.py --data ../shared/data --out benchmarks/results/find_beans.json

``trays``: found outlines against annotated ones. Masks are the pixels in and on an outline; pairs with an overlap
(intersection over union) of 0.5 or more are matched one to one, best first. ``unmatched`` is the share of found
outlines without a partner; one that the frame cuts counts as found where it has a partner and is left out where it has
none, because people outline cut beans or not as they like. ``changed`` repeats this on the photos mirrored, turned,
brightened, scaled and so on. ``single``: photos of one bean each, in which exactly one outline should be found.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy and OpenCV start their threads

import cv2
import numpy as np

from cafepick.beans.scene import scene_of
from cafepick.files import write_json
from cafepick.images import read_photo
from cafepick.process import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

LEAST_OVERLAP = 0.5


class Tray(NamedTuple):
    """A photo and its annotated outlines, each (n, 2) x, y."""

    name: str
    photo: NDArray[np.uint8]
    outlines: list[NDArray[np.float32]]


class Count(NamedTuple):
    """What came out for one photo."""

    annotated: int
    overlaps: list[float]
    """One per matched pair."""
    found: int
    """Outlines that count: all but cut ones without a partner."""
    seconds: float
    megapixels: float


def trays(folder: Path) -> Iterator[Tray]:
    coco = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    for image in coco["images"]:
        polygons = [a["segmentation"][0] for a in coco["annotations"] if a["image_id"] == image["id"]]
        outlines = [np.array(polygon, np.float32).reshape(-1, 2) for polygon in polygons]
        yield Tray(image["file_name"], read_photo(folder / image["file_name"]), outlines)


def measure(tray: Tray) -> Count:
    start = time.process_time()
    found = scene_of(tray.photo).outlines
    seconds = time.process_time() - start
    partners = match(tray.outlines, [outline.contour for outline in found])
    counted = [i for i, outline in enumerate(found) if i in partners or not outline.cut]
    height, width = tray.photo.shape[:2]
    return Count(len(tray.outlines), list(partners.values()), len(counted), seconds, height * width / 1e6)


def match(annotated: Sequence[NDArray[np.float32]], found: Sequence[NDArray[np.float32]]) -> dict[int, float]:
    """Overlap of each found outline that has a partner, best pairs first."""
    pairs = [(overlap(one, other), i, k) for i, one in enumerate(annotated) for k, other in enumerate(found)]
    partners: dict[int, float] = {}
    taken: set[int] = set()
    for value, i, k in sorted(pairs, reverse=True):
        if value >= LEAST_OVERLAP and i not in taken and k not in partners:
            taken.add(i)
            partners[k] = value
    return partners


def overlap(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    low = np.floor(np.minimum(one.min(axis=0), other.min(axis=0)))
    if (np.minimum(one.max(axis=0), other.max(axis=0)) < np.maximum(one.min(axis=0), other.min(axis=0))).any():
        return 0.0
    width, height = (np.maximum(one.max(axis=0), other.max(axis=0)) - low + 2).astype(int)
    masks = np.zeros((2, height, width), np.uint8)
    for mask, contour in zip(masks, (one, other), strict=True):
        cv2.fillPoly(mask, [np.rint(contour - low).astype(np.int32)], 1)
    return float((masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum())


def summary(counts: Sequence[Count]) -> dict[str, float]:
    overlaps = [value for count in counts for value in count.overlaps]
    found = sum(count.found for count in counts)
    return {
        "annotated": sum(count.annotated for count in counts),
        "found": found,
        "recall": round(len(overlaps) / sum(count.annotated for count in counts), 4),
        "median_iou": round(float(np.median(overlaps)) if overlaps else 0.0, 4),
        "unmatched": round(1 - len(overlaps) / max(found, 1), 4),
        "ms_per_megapixel": round(1e3 * sum(c.seconds for c in counts) / sum(c.megapixels for c in counts), 1),
    }


def mirrored(tray: Tray) -> Tray:
    across = [np.array([tray.photo.shape[1] - 1, 0]) + outline * [-1, 1] for outline in tray.outlines]
    return tray._replace(photo=np.ascontiguousarray(tray.photo[:, ::-1]), outlines=_as_float(across))


def turned(tray: Tray) -> Tray:
    around = [np.array([tray.photo.shape[0] - 1, 0]) + outline[:, ::-1] * [-1, 1] for outline in tray.outlines]
    return tray._replace(photo=np.ascontiguousarray(np.rot90(tray.photo, -1)), outlines=_as_float(around))


def scaled(factor: float) -> Callable[[Tray], Tray]:
    def change(tray: Tray) -> Tray:
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        photo = np.asarray(cv2.resize(tray.photo, None, fx=factor, fy=factor, interpolation=how), np.uint8)
        return tray._replace(photo=photo, outlines=_as_float([(o + 0.5) * factor - 0.5 for o in tray.outlines]))

    return change


def curved(curve: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Callable[[Tray], Tray]:
    table = np.rint(255 * np.clip(curve(np.arange(256) / 255), 0, 1)).astype(np.uint8)
    return lambda tray: tray._replace(photo=table[tray.photo])


def noisy(tray: Tray) -> Tray:
    noise = np.random.default_rng(0).normal(0, 8, tray.photo.shape)
    return tray._replace(photo=np.clip(tray.photo + noise, 0, 255).astype(np.uint8))


def lit_from_the_left(tray: Tray) -> Tray:
    light = np.linspace(1, 0.5, tray.photo.shape[1])[None, :, None]
    return tray._replace(photo=(tray.photo * light).astype(np.uint8))


CHANGES: dict[str, Callable[[Tray], Tray]] = {
    "mirrored": mirrored,
    "turned by 90 degrees": turned,
    "gamma 1.5": curved(lambda v: v**1.5),
    "gamma 0.67": curved(lambda v: v**0.67),
    "0.6 of the light": curved(lambda v: 0.6 * v),
    "1.2 of the light": curved(lambda v: 1.2 * v),
    "light halved to one side": lit_from_the_left,
    "noise of 8 grey levels": noisy,
    "scale 0.5": scaled(0.5),
    "scale 2": scaled(2),
}


def singles(folder: Path) -> dict[str, Any]:
    wrong, total, seconds = {}, 0, 0.0
    for path in sorted(folder.rglob("*.jpg")):
        photo = read_photo(path)
        start = time.process_time()
        found = len(scene_of(photo).outlines)
        seconds += time.process_time() - start
        total += 1
        if found != 1:
            wrong[path.relative_to(folder).as_posix()] = found
    share = round(1 - len(wrong) / total, 4)
    return {"photos": total, "exactly_one": share, "ms_per_photo": round(1e3 * seconds / total, 1), "wrong": wrong}


def large(tray: Tray, megapixels: float) -> dict[str, float]:
    factor = float(np.sqrt(megapixels * 1e6 / (tray.photo.shape[0] * tray.photo.shape[1])))
    return summary([measure(scaled(factor)(tray))])


def _as_float(outlines: Sequence[NDArray[Any]]) -> list[NDArray[np.float32]]:
    return [outline.astype(np.float32) for outline in outlines]


def _machine() -> dict[str, str]:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return {
        "processor": names[0].split(":")[1].strip() if names else platform.processor(),
        "busy": f"{os.getloadavg()[0]:.1f} processes on {os.cpu_count()} cores when measured",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how well and how fast beans are found.")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds trays/ and usk/")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    keep_freed_memory()  # as every command does
    all_trays = list(trays(options.data / "trays"))
    measure(all_trays[0])  # the first call pays for loading
    counts = {tray.name: measure(tray) for tray in all_trays}
    results = {
        "machine": _machine(),
        "trays": summary(list(counts.values())),
        "per_tray": {name: summary([count]) for name, count in counts.items()},
        "changed": {name: summary([measure(change(t)) for t in all_trays]) for name, change in CHANGES.items()},
        "12 megapixels": large(all_trays[0], 12),
        "single": singles(options.data / "usk" / "valid"),
    }
    write_json(options.out, results)
    print(json.dumps({key: value for key, value in results.items() if key != "per_tray"}, indent=2))


if __name__ == "__main__":
    main()

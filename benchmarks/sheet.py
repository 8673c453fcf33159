"""Measure on drawn photos how well sheets are found, what their millimetres are worth, and which beans are found.

    python benchmarks/sheet.py --photos 16 --seed 1 --data ../shared/data --out benchmarks/results/sheet.json

Each group is photographed from random sides at random tilts, with one difficulty. A sheet is ``right`` if its corners
lie within 2 mm of those of a sheet that is whole and in view, ``false`` if they lie elsewhere, ``missed`` if there is a
whole one and none is found. Corner errors are those of right sheets: the distance of each corner in the photo (pixels)
and on the sheet (mm). ``certainty``: how many kinds of paper were decided by the shape alone, and how many of these
wrongly. Lengths: beans are found in the flattened sheet, and their length along the principal axis is compared with
that of the footprint that was drawn; the kind of paper is given. ``beans``: what ``find_beans`` finds in the photo as
it is and in the flattened sheet, matched at an overlap of 0.5; ``elsewhere`` are outlines that match no bean on the
sheet, of these ``off_sheet`` have their middle beyond its edge; a bean across the edge counts neither way.
``real``: photos in which no whole sheet lies, so any sheet found is false. Groups that the file has already, of the
same seed, are kept and not measured again; ``total`` sums the counts of all.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy and OpenCV start their threads

import cv2
import numpy as np

from cafepick.beans.find import find_beans
from cafepick.beans.paper import transformed
from cafepick.beans.pose import pose_of
from cafepick.beans.sheet import Sheet, find_sheet, rectify
from cafepick.data.drawing.sheet import Shot, draw_sheet_photo, paper_corners
from cafepick.files import write_json
from cafepick.images import read_photo
from cafepick.jobs.match import match_outlines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cafepick.data.drawing.sheet import SheetPhoto

WITHIN_MM = 2.0
GROUPS: dict[str, dict[str, Any]] = {
    "tilt 0-10": {"tilt": (0, 10)},
    "tilt 10-20": {"tilt": (10, 20)},
    "tilt 20-30": {"tilt": (20, 30)},
    "tilt 30-40": {"tilt": (30, 40)},
    "wood": {"table": "wood"},
    "dark": {"table": "dark"},
    "checked": {"table": "checked"},
    "striped": {"table": "striped"},
    "stone": {"table": "stone"},
    "lens": {"bend": (-0.03, 0.03)},
    "light gradient": {"gradient": (0.4, 0.7)},
    "shadow": {"shadow": (0.3, 0.6)},
    "beans across the edge": {"edge_beans": 8},
    "folds": {"folds": 2},
    "two sheets": {"second": (0.5, 60), "fill": (0.3, 0.45)},
    "clutter": {"clutter": 10, "table_beans": 12, "fill": (0.5, 0.7)},
    "zoom": {"focal": (1.0, 1.4)},
    "partly outside": {"shift": "outside"},
    "corner hidden": {"dog_ear": (12, 50)},
    "no sheet": {"sheet": False, "clutter": 12, "table_beans": 8},
}
"""What differs from ``random_shot``: a value, or a range from which one is drawn."""


class Result(NamedTuple):
    """What came out for one photo."""

    whole: bool
    found: bool
    pixels: NDArray[np.float64] | None
    """(4,) errors of the corners, None unless the sheet is right."""
    millimetres: NDArray[np.float64] | None
    decided: bool
    right_kind: bool
    lengths: list[tuple[float, float]]
    """True and measured length of each matched bean, mm."""
    as_is: dict[str, int]
    flat: dict[str, int] | None
    seconds: float
    megapixels: float


def random_shot(rng: np.random.Generator, changes: dict[str, Any]) -> Shot:
    shot = Shot(
        paper=("a4", "letter")[int(rng.integers(2))],
        table=("wood", "dark", "checked", "striped", "stone")[int(rng.integers(5))],
        focal=float(np.exp(rng.normal(np.log(0.63), 0.12))),
        tilt=rng.uniform(0, 40),
        azimuth=rng.uniform(0, 360),
        roll=90 * int(rng.integers(4)) + rng.normal(0, 12),
        fill=rng.uniform(0.6, 0.95),
        beans=int(rng.integers(5, 60)),
        table_beans=int(rng.integers(0, 5)),
        clutter=int(rng.integers(0, 4)),
        gradient=rng.uniform(0, 0.3),
    )
    drawn = {name: rng.uniform(*value) if isinstance(value, tuple) else value for name, value in changes.items()}
    if drawn.get("shift") == "outside":
        side = ((1, 0), (-1, 0), (0, 1), (0, -1))[int(rng.integers(4))]
        drawn["shift"] = tuple(step * rng.uniform(0.25, 0.4) for step in side)
        drawn["fill"] = rng.uniform(0.7, 0.95)
    return replace(shot, **drawn)


def measure(photo: SheetPhoto) -> Result:
    start = time.process_time()
    sheet = find_sheet(photo.photo)
    seconds = time.process_time() - start
    pixels, millimetres = _corner_errors(photo, sheet)
    right = pixels is not None and sheet is not None
    lengths, flat = [], None
    if right and (known := find_sheet(photo.photo, photo.shot.paper)) is not None:
        lengths, flat = _on_the_sheet(photo, known)
    height, width = photo.photo.shape[:2]
    return Result(
        whole=bool(photo.sheets),
        found=sheet is not None,
        pixels=pixels,
        millimetres=millimetres,
        decided=right and sheet.decided,
        right_kind=right and sheet.paper == photo.shot.paper,
        lengths=lengths,
        as_is=_counted(photo, [outline.contour for outline in find_beans(photo.photo).outlines]),
        flat=flat,
        seconds=seconds,
        megapixels=height * width / 1e6,
    )


def _corner_errors(photo: SheetPhoto, sheet: Sheet | None) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    """Of the true sheet that fits best, in pixels and mm; None where none fits."""
    if sheet is None:
        return None, None
    best = None
    for true in photo.sheets:
        for corners in (np.roll(true, turns, axis=0) for turns in range(4)):
            on_sheet = transformed(sheet.corners, sheet.to_mm) - transformed(corners, sheet.to_mm)
            errors = np.linalg.norm(sheet.corners - corners, axis=1), np.linalg.norm(on_sheet, axis=1)
            if best is None or errors[1].max() < best[1].max():
                best = errors
    return best if best is not None and best[1].max() < WITHIN_MM else (None, None)


def _on_the_sheet(photo: SheetPhoto, sheet: Sheet) -> tuple[list[tuple[float, float]], dict[str, int]]:
    flat, to_photo = rectify(photo.photo, sheet, sheet.pixels_per_mm)
    contours = [outline.contour for outline in find_beans(flat).outlines if not outline.cut]
    back = [transformed(contour, to_photo).astype(np.float32) for contour in contours]
    beans = [bean for bean in photo.beans if bean.where == "sheet"]
    lengths = []
    for pair in match_outlines(back, [bean.outline for bean in beans]):
        measured = pose_of(contours[pair.found]).length / sheet.pixels_per_mm
        lengths.append((pose_of(beans[pair.annotated].footprint.astype(np.float32)).length, measured))
    return lengths, _counted(photo, back)


def _counted(photo: SheetPhoto, found: Sequence[NDArray[np.float32]]) -> dict[str, int]:
    beans = list(photo.beans)
    pairs = match_outlines(list(found), [bean.outline for bean in beans])
    partner = {pair.found: beans[pair.annotated].where for pair in pairs}
    wanted = sum(bean.where == "sheet" for bean in beans)
    alone = [contour for k, contour in enumerate(found) if partner.get(k, "table") == "table"]
    border = photo.camera.project(paper_corners(photo.shot.paper)).astype(np.float32)
    middles = [contour.mean(axis=0).astype(float).tolist() for contour in alone]
    off = sum(not photo.shot.sheet or cv2.pointPolygonTest(border, middle, False) < 0 for middle in middles)
    on_sheet = sum(where == "sheet" for where in partner.values())
    return {"wanted": wanted, "found": on_sheet, "elsewhere": len(alone), "off_sheet": off}


def summary(results: Sequence[Result]) -> dict[str, Any]:
    right = [one for one in results if one.pixels is not None]
    lengths = np.array([pair for one in results for pair in one.lengths]).reshape(-1, 2)
    return {
        "photos": len(results),
        "whole": sum(one.whole for one in results),
        "right": len(right),
        "missed": sum(one.whole and not one.found for one in results),
        "false": sum(one.found and one.pixels is None for one in results),
        "corner_error_px": _spread(np.concatenate([one.pixels for one in right]) if right else np.zeros(0)),
        "corner_error_mm": _spread(np.concatenate([one.millimetres for one in right]) if right else np.zeros(0)),
        "certainty": {
            "decided": sum(one.decided for one in right),
            "decided_wrongly": sum(one.decided and not one.right_kind for one in right),
        },
        "length_error_mm": {**_spread(np.abs(lengths[:, 1] - lengths[:, 0])), **_bias(lengths)},
        "beans": {
            "as_is": _total([one.as_is for one in results]),
            "flattened": _total([one.flat for one in results if one.flat is not None]),
        },
        "ms_per_photo": round(1e3 * float(np.mean([one.seconds for one in results])), 1),
    }


def _spread(values: NDArray[np.float64]) -> dict[str, float]:
    if not len(values):
        return {}
    named = {"median": np.median(values), "p95": np.percentile(values, 95), "largest": values.max()}
    return {name: round(float(value), 3) for name, value in named.items()}


def _bias(lengths: NDArray[np.float64]) -> dict[str, float]:
    return {"mean_signed": round(float((lengths[:, 1] - lengths[:, 0]).mean()), 3)} if len(lengths) else {}


def _total(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    return {name: sum(one[name] for one in counts) for name in ("wanted", "found", "elsewhere", "off_sheet")}


def real(folder: Path) -> dict[str, Any]:
    """Photos without a whole sheet: all trays, and 300 of one bean each."""
    singles = sorted((folder / "usk" / "valid").rglob("*.jpg"))
    chosen = [singles[k] for k in np.random.default_rng(0).permutation(len(singles))[:300]]
    sets = {"trays": sorted((folder / "trays").rglob("*.jpg")), "usk/valid": chosen}
    return {
        name: {"photos": len(paths), "false": sum(find_sheet(read_photo(path)) is not None for path in paths)}
        for name, paths in sets.items()
    }


def _machine() -> dict[str, str]:
    return {
        "busy": f"{os.getloadavg()[0]:.1f} processes on {os.cpu_count()} cores when measured",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


def _begun(path: Path, seed: int) -> dict[str, Any]:
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        if before["seed"] == seed:
            return before
    return {"machine": _machine(), "seed": seed, "total": {}, "groups": {}}


def _sums(groups: dict[str, dict[str, Any]]) -> dict[str, Any]:
    counts = ("photos", "whole", "right", "missed", "false")
    beans = ("as_is", "flattened")
    return {
        **{name: sum(group[name] for group in groups.values()) for name in counts},
        **{name: sum(group["certainty"][name] for group in groups.values()) for name in ("decided", "decided_wrongly")},
        "beans": {name: _total([group["beans"][name] for group in groups.values()]) for name in beans},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how well sheets of paper are found in drawn photos.")
    parser.add_argument("--photos", type=int, default=16, help="photos of each group")
    parser.add_argument("--seed", type=int, default=1, help="0 was used for development")
    parser.add_argument("--only", nargs="*", help="names of groups")
    parser.add_argument("--data", type=Path, help="folder that holds trays/ and usk/")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    report = _begun(options.out, options.seed)
    for number, (name, changes) in enumerate(GROUPS.items()):
        if name in report["groups"] or (options.only and name not in options.only):
            continue
        results = []
        for index in range(options.photos):
            rng = np.random.default_rng((options.seed, number, index))
            results.append(measure(draw_sheet_photo(rng, random_shot(rng, changes))))
            if results[-1].found != results[-1].whole or (results[-1].found and results[-1].pixels is None):
                print(f"{name} {index}: found {results[-1].found}, whole {results[-1].whole}", flush=True)
        report["groups"][name] = summary(results)
        report["total"] = _sums(report["groups"])
        write_json(options.out, report)
        print(name, json.dumps(report["groups"][name]), flush=True)
    if options.data:
        report["real"] = real(options.data)
    write_json(options.out, report)
    print(json.dumps({key: value for key, value in report.items() if key != "groups"}, indent=2))


if __name__ == "__main__":
    main()

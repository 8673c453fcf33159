"""Photographs of trays of green coffee, drawn, with the truth known to the pixel: for demos, tests and documentation.

What is drawn looks like coffee and is made to be learnt from, but no number measured on it says anything about real
coffee.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from cafepick.data.drawing.scene import SURROUNDS, Surround
from cafepick.data.drawing.tray import DEFECTS, DrawnTray, draw_tray
from cafepick.data.sources import GOOD
from cafepick.errors import ConfigError
from cafepick.files import write_json
from cafepick.images import write_image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["DEFECTS", "MIXED", "SURROUNDS", "DemoData", "DrawnTray", "Surround", "draw_tray", "write_demo_data"]

MIXED: Final = "mixed"
"""Folder of the test photos, each of which shows good beans and all kinds of defects."""

_DEFECTIVE: Final = 0.4
"""Share of the beans of a test tray that have a defect."""
_NUMBER: Final = re.compile(r"tray_[0-9]{3,}(_mask)?")
"""Stem of a drawn photo or mask."""


@dataclass(frozen=True)
class DemoData:
    """Where the demo's files lie."""

    folder: Path
    """An MVTec layout: the source to train on, detect in and evaluate on."""
    train: tuple[Path, ...]
    """``train/good/tray_000.jpg``, ...: good beans only."""
    test: tuple[Path, ...]
    """``test/mixed/tray_000.jpg``, ...: good and defective beans."""
    masks: tuple[Path, ...]
    """``ground_truth/mixed/tray_000_mask.png``, ...: one for each test photo, white where the defects are."""
    annotations: Path
    """``test/annotations.json``: the outline and class of each bean of the test photos, in COCO form."""


def write_demo_data(
    folder: Path,
    *,
    seed: int = 0,
    train_trays: int = 20,
    test_trays: int = 6,
    beans: int = 40,
    progress: Callable[[int, int], object] | None = None,
) -> DemoData:
    """Draw photos to train on and photos to test with, and write them with their truth.

    Of the beans of a test tray two in five are defective; the kinds take turns, as do paper alone, a sheet on a table
    and a tray with its wall. The camera's distance stays the same, the lots and the light vary. Each photo depends on
    the seed and its own number alone. What an earlier call drew is replaced, and removed where it drew more trays.

    Args:
        folder: where to write; made if it is missing.
        seed: of all that is random.
        train_trays: photos of good beans.
        test_trays: photos of good and defective beans.
        beans: objects on each tray.
        progress: called after each photo with the number of photos written and their total.

    Raises:
        ConfigError: there are no trays, or so many beans do not fit.
        OutputError: a file cannot be written.
    """
    if min(train_trays, test_trays) < 1:
        raise ConfigError(f"the demo needs a tray to train on and one to test with, got {train_trays} and {test_trays}")
    report = progress or _ignore
    train = tuple(folder / "train" / GOOD / f"tray_{number:03}.jpg" for number in range(train_trays))
    test = tuple(folder / "test" / MIXED / f"tray_{number:03}.jpg" for number in range(test_trays))
    masks = tuple(folder / "ground_truth" / MIXED / f"{path.stem}_mask.png" for path in test)
    for number, path in enumerate(train):
        write_image(path, _tray((seed, 0, number), beans, ()).photo)
        report(number + 1, train_trays + test_trays)
    drawn = []
    for number, (path, mask) in enumerate(zip(test, masks, strict=True)):
        drawn.append(_tray((seed, 1, number), beans, _some_defects(number, beans)))
        write_image(path, drawn[-1].photo)
        write_image(mask, drawn[-1].defect_mask)
        report(train_trays + number + 1, train_trays + test_trays)
    for kept, name in ((train, "tray_*.jpg"), (test, "tray_*.jpg"), (masks, "tray_*_mask.png")):
        _remove_others(kept, name)
    annotations = folder / "test" / "annotations.json"
    write_json(annotations, coco_of(drawn, [f"{MIXED}/{path.name}" for path in test]))
    return DemoData(folder, train, test, masks, annotations)


def _remove_others(drawn: Sequence[Path], name: str) -> None:
    """Remove what an earlier call drew beyond these: files that are named alike, with another number."""
    for path in set(drawn[0].parent.glob(name)) - set(drawn):
        if path.is_file() and _NUMBER.fullmatch(path.stem):
            path.unlink(missing_ok=True)


def _ignore(*_: int) -> None: ...


def _tray(seed: tuple[int, int, int], beans: int, defects: Sequence[str]) -> DrawnTray:
    surround = SURROUNDS[seed[-1] % len(SURROUNDS)]
    return draw_tray(np.random.default_rng(seed), beans=beans, defects=defects, surround=surround)


def _some_defects(number: int, beans: int) -> list[str]:
    """Return the defects of test tray ``number``, going on where the tray before has stopped."""
    count = round(beans * _DEFECTIVE)
    return [DEFECTS[(number * count + index) % len(DEFECTS)] for index in range(count)]


def coco_of(trays: Sequence[DrawnTray], names: Sequence[str]) -> dict[str, Any]:
    """Return the outlines and classes of trays as COCO (https://cocodataset.org/#format-data).

    Args:
        trays: what was drawn.
        names: ``file_name`` of each photo, relative to where the annotations will lie.
    """
    images = [
        {"id": number, "file_name": name, "width": tray.photo.shape[1], "height": tray.photo.shape[0]}
        for number, (tray, name) in enumerate(zip(trays, names, strict=True), start=1)
    ]
    categories = [{"id": number, "name": name} for number, name in enumerate((GOOD, *DEFECTS), start=1)]
    ids = {category["name"]: category["id"] for category in categories}
    beans = [
        (number, bean, ids[label], tray)
        for number, tray in enumerate(trays, start=1)
        for bean, label in enumerate(tray.labels, start=1)
    ]
    annotations = [
        {"id": key, "image_id": number, "category_id": category, "iscrowd": 0, **_shape(tray, bean)}
        for key, (number, bean, category, tray) in enumerate(beans, start=1)
    ]
    return {"images": images, "annotations": annotations, "categories": categories}


def _shape(tray: DrawnTray, bean: int) -> dict[str, Any]:
    """Return the polygon, box (x, y, width, height) and area of one bean."""
    outline: NDArray[np.float32] = tray.outlines[bean - 1]
    area = int(np.count_nonzero(tray.instances == bean))
    return {
        "segmentation": [outline.ravel().tolist()],
        "bbox": list(cv2.boundingRect(outline.astype(np.int32))),
        "area": area,
    }

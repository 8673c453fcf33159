"""COCO annotation files: a polygon and a class for each bean.

Format: https://cocodataset.org/#format-data, the part on object detection. Coordinates are photo pixels, as they stand
in the file.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cafepick.errors import SourceError
from cafepick.types import Item

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FARTHEST: Final = 100_000.0
"""No photo has so many pixels a side, so no outline reaches so far."""


@dataclass(frozen=True, eq=False)
class Coco:
    """The photos of an annotation file."""

    path: Path
    items: tuple[Item, ...]
    """In the file's order; ``name`` is the photo's path relative to the file, ``outlines`` may be empty."""
    unusable: tuple[int, ...]
    """Ids of annotations whose polygon has fewer than three corners, no area or coordinates beyond ``FARTHEST``; they
    are left out."""


def read_coco(path: Path) -> Coco:
    """Read the photos of a COCO file with their outlines and classes.

    Annotations marked ``iscrowd`` are left out: they mean no single bean. Where a bean has several polygons, the
    largest is its outline. A photo whose outlines are all of one class has that class as its label.

    Raises:
        SourceError: the file is missing, no JSON, no COCO, or has masks as RLE or boxes without polygons.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SourceError(f"there is no annotation file {path}: check the name") from error
    except (OSError, ValueError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise SourceError(f"{path} cannot be read as JSON ({error}): export the annotations again as COCO") from error
    try:
        return _parse(path, content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(
            f"{path} is no COCO file ({type(error).__name__}: {error}): it needs the lists images (id, file_name),"
            f" annotations (image_id, category_id, segmentation) and categories (id, name)"
        ) from error


def attach(items: Sequence[Item], coco: Coco, root: Path) -> tuple[tuple[Item, ...], tuple[str, ...]]:
    """Give the photos of a folder the outlines of an annotation file.

    A photo is matched by its place on the disk, else by its path relative to ``root``, else by its file name if
    that is unique on both sides.

    Args:
        items: photos found in the folder.
        coco: the annotations.
        root: the folder.

    Returns:
        The items in their order, with outlines where there are any, and the names of those without.

    Raises:
        SourceError: no photo has annotations.
    """
    by_place = {item.path.resolve(): item for item in coco.items}
    by_name = {item.name: item for item in coco.items}
    by_file_name = _unique({item.path.name: item for item in coco.items}, [item.path.name for item in coco.items])
    ambiguous = _repeated([item.path.name for item in items])

    def annotated(item: Item) -> Item | None:
        found = by_place.get(item.path.resolve()) or by_name.get(item.name)
        return found or (None if item.path.name in ambiguous else by_file_name.get(item.path.name))

    found = [annotated(item) for item in items]
    if not any(found):
        raise SourceError(
            f"none of the {len(items)} photos in {root} is in {coco.path}, which names {len(coco.items)} photos such as"
            f" {coco.items[0].name}: check that both belong together"
        )
    joined = tuple(
        item
        if match is None
        else replace(
            item, outlines=match.outlines, outline_labels=match.outline_labels, label=item.label or match.label
        )
        for item, match in zip(items, found, strict=True)
    )
    return joined, tuple(item.name for item in joined if item.outlines is None)


def _parse(path: Path, content: Any) -> Coco:
    classes = {category["id"]: str(category["name"]) for category in content["categories"]}
    names = {image["id"]: str(image["file_name"]).replace("\\", "/") for image in content["images"]}
    _check(path, content["images"], names)
    outlines: dict[object, list[tuple[NDArray[np.float32], str]]] = {key: [] for key in names}
    unusable: list[int] = []
    for annotation in content["annotations"]:
        if annotation.get("iscrowd"):
            continue
        image, category = annotation["image_id"], annotation["category_id"]
        if image not in names or category not in classes:
            raise SourceError(
                f"{path}: annotation {annotation['id']} refers to photo {image} and category {category},"
                f" which the file does not list: export the annotations again"
            )
        outline = _outline(path, annotation)
        if outline is None:
            unusable.append(annotation["id"])
        else:
            outlines[image].append((outline, classes[category]))
    items = tuple(_item(path, names[key], outlines[key]) for key in names)
    return Coco(path=path, items=items, unusable=tuple(unusable))


def _check(path: Path, images: Sequence[object], names: dict[object, str]) -> None:
    if not images:
        raise SourceError(f"{path} lists no photos: export the annotations together with their images")
    if len(names) < len(images):
        raise SourceError(f"{path} gives several photos the same id: export the annotations again")
    repeated = _repeated(list(names.values()))
    if repeated:
        raise SourceError(f"{path} lists {min(repeated)} more than once: merge its entries")


def _outline(path: Path, annotation: dict[str, Any]) -> NDArray[np.float32] | None:
    """Return the largest polygon (n, 2), or None if none has three corners and an area."""
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, dict):
        raise SourceError(
            f"{path}: annotation {annotation['id']} is a mask in RLE, which is not supported: export polygons"
        )
    if not segmentation:
        raise SourceError(f"{path}: annotation {annotation['id']} has no polygon, only a box: draw outlines, not boxes")
    polygons = [_polygon(numbers) for numbers in segmentation]
    largest = max(polygons, key=_area)
    return largest if _area(largest) > 0 else None


def _polygon(numbers: Sequence[float]) -> NDArray[np.float32]:
    """Return (n, 2) x, y; empty where the numbers are no pairs, not finite or far outside any photo."""
    values = np.array([float(number) for number in numbers], np.float32)
    if len(values) % 2 or not (np.abs(values) <= FARTHEST).all():  # also false for NaN
        return np.empty((0, 2), np.float32)
    return values.reshape(-1, 2)


def _area(polygon: NDArray[np.float32]) -> float:
    """Area in square pixels, by the shoelace formula."""
    x, y = polygon.astype(np.float64).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _item(path: Path, name: str, found: Sequence[tuple[NDArray[np.float32], str]]) -> Item:
    labels = tuple(label for _, label in found)
    return Item(
        path=path.parent / name,
        name=name,
        label=labels[0] if len(set(labels)) == 1 else None,
        outlines=tuple(outline for outline, _ in found),
        outline_labels=labels,
    )


def _repeated(names: Sequence[str]) -> set[str]:
    return {name for name, count in Counter(names).items() if count > 1}


def _unique(found: dict[str, Item], names: Sequence[str]) -> dict[str, Item]:
    repeated = _repeated(names)
    return {name: item for name, item in found.items() if name not in repeated}

"""Where photos come from: a file, a folder, a glob, MNIST, an MVTec folder or a COCO file."""

from __future__ import annotations

import glob
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from cafepick.data.coco import attach, read_coco
from cafepick.data.folders import expand, glob_root, photos_among, relative_name, walk
from cafepick.data.mnist import DEFAULT_FOLDER, read_mnist
from cafepick.errors import SourceError
from cafepick.images import SUFFIXES, read_photo, to_channels
from cafepick.types import Item

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

SourceKind = Literal["file", "folder", "glob", "mnist", "mvtec", "coco"]
Purpose = Literal["train", "detect"]

GOOD: Final = "good"
"""The label of what belongs into training."""

GOOD_NAMES: Final = (GOOD, "healthy", "normal", "ok")
"""Names of classes that count as good where the user names none: the first of them that is there."""

_MOST_NAMED: Final = 5


@dataclass(frozen=True, eq=False)
class Source:
    """Photos that belong together, not yet read."""

    kind: SourceKind
    root: Path
    """What the names of the items are relative to."""
    items: tuple[Item, ...]
    """At least one; names are unique."""
    note: str | None = None
    """What the user should be told about how the source was understood."""
    pixels: NDArray[np.uint8] | None = field(default=None, repr=False)
    """(n, 28, 28) where all photos lie in one file (mnist)."""

    def read(self, item: Item) -> NDArray[np.uint8]:
        """Read one of the items: (H, W, 3) uint8 RGB; may be called from several threads.

        Raises:
            PhotoError: the photo cannot be read.
        """
        if self.pixels is None or item.index is None:
            return read_photo(item.path)
        return to_channels(self.pixels[item.index][:, :, None], 3)

    def some(self, most: int) -> tuple[Item, ...]:
        """Return some of the items, at most so many, spread evenly."""
        return self.items[:: max(1, -(-len(self.items) // most))]


def open_source(
    source: str | Path,
    *,
    pattern: str | None = None,
    purpose: Purpose = "detect",
    normal: Sequence[int] | None = None,
    data_dir: Path | None = None,
    outlines: Path | None = None,
) -> Source:
    """List the photos of a source, with what it says about them, in natural order.

    - A *folder* is listed at any depth; the name of the folder that a photo lies in is its label where there are
      subfolders. For training, folders named ``good`` (or else ``healthy``, ``normal`` or ``ok``) are taken alone where
      there are others beside them.
    - A *glob* (quoted, ``**`` allowed) likewise, from the folder before its first wildcard.
    - An *MVTec* folder (``train/good``, ``test/CLASS``, ``ground_truth/CLASS/NAME_mask.png``) recognises itself:
      training takes ``train/good``, detection takes ``test`` with its labels and masks.
    - A *COCO* file (``.json``) gives its photos, their outlines and classes; for training, outlines of the category
      with such a name are taken alone where there is one.
    - ``mnist`` gives the training images for training and the test images for detection.

    Args:
        source: what the user named.
        pattern: shell pattern for file names in folders and globs, e.g. ``*_cropped.png``; case does not count.
        purpose: what the photos are for.
        normal: ``mnist`` only: the digits that count as good.
        data_dir: ``mnist`` only: folder of the four files, or its parent; None: ``data/mnist``.
        outlines: COCO file with outlines for the photos of a file, folder or glob.

    Raises:
        SourceError: nothing usable was found; the message says what was looked for and where.
    """
    if source == "":  # as a path, the folder that one is in
        raise SourceError(
            "the source is an empty name: give a file, a folder, a quoted glob or mnist; . is this folder"
        )
    if str(source) == "mnist":
        _refuse_option("--outlines", outlines)
        return _mnist(purpose, normal, data_dir)
    _refuse_option("--normal", normal)
    path = Path(source).expanduser()
    if path.is_file() and path.suffix.lower() == ".json":
        _refuse_option("--outlines", outlines)
        opened = _coco(path)
    else:
        opened = _photos(path, pattern, purpose)
        opened = _only_good_photos(opened) if purpose == "train" else opened
        opened = _with_outlines(opened, outlines) if outlines else opened
    return _only_good_outlines(opened) if purpose == "train" else opened


def _photos(path: Path, pattern: str | None, purpose: Purpose) -> Source:
    if path.is_dir():
        return _folder(path, pattern, purpose)
    if path.is_file():
        return Source("file", path.parent, (Item(path, path.name),))
    if glob.has_magic(str(path)):
        return _glob(str(path), pattern)
    raise SourceError(f"there is no file or folder {path}: check the name, or put a glob in quotes")


def _mnist(purpose: Purpose, normal: Sequence[int] | None, data_dir: Path | None) -> Source:
    folder = data_dir or Path(DEFAULT_FOLDER)
    if (folder / "mnist").is_dir():
        folder = folder / "mnist"
    items, pixels = read_mnist(folder, purpose, normal)
    return Source("mnist", folder, items, pixels=pixels)


def _folder(root: Path, pattern: str | None, purpose: Purpose) -> Source:
    if (root / "train" / GOOD).is_dir() and (root / "test").is_dir():
        return _mvtec(root, pattern, purpose)
    paths = _found(walk(root), root, pattern, where=f"{root} and its folders")
    return Source("folder", root, _labelled(paths, root))


def _glob(wanted: str, pattern: str | None) -> Source:
    root = glob_root(wanted)
    paths = _found(expand(wanted), root, pattern, where=f"what {wanted} matches")
    return Source("glob", root, _labelled(paths, root))


def _labelled(paths: Iterable[Path], root: Path) -> tuple[Item, ...]:
    return tuple(Item(path, relative_name(path, root), _label(path, root)) for path in paths)


def _mvtec(root: Path, pattern: str | None, purpose: Purpose) -> Source:
    """The layout of MVTec AD (Bergmann et al. 2019, CVPR)."""
    folder = root / "train" / GOOD if purpose == "train" else root / "test"
    paths = _found(walk(folder), root, pattern, where=f"{folder} and its folders")
    labels = [GOOD if purpose == "train" else _label(path, folder) for path in paths]
    items = [
        Item(path, relative_name(path, root), label, mask_path=_mask_of(path, label, root))
        for path, label in zip(paths, labels, strict=True)
    ]
    return Source("mvtec", root, tuple(items), f"MVTec layout: {len(items)} photos from {relative_name(folder, root)}")


def _mask_of(path: Path, label: str | None, root: Path) -> Path | None:
    if label in (None, GOOD):
        return None
    folder = root / "ground_truth" / label
    return next(
        (mask for mask in (folder / f"{path.stem}_mask.png", folder / f"{path.stem}.png") if mask.is_file()), None
    )


def _coco(path: Path) -> Source:
    coco = read_coco(path)
    return Source("coco", path.parent, coco.items, _unusable_note(path, coco.unusable))


def _with_outlines(source: Source, path: Path) -> Source:
    coco = read_coco(path)
    items, without = attach(source.items, coco, source.root)
    count = f"{len(without)} of {len(items)} photos"
    told = f"{count} have no outlines in {path}, so their beans are looked for: {_some(without)}" if without else None
    return replace(source, items=items, note=_joined(source.note, told, _unusable_note(path, coco.unusable)))


def good_among(labels: Iterable[str]) -> str | None:
    """Return the first of ``GOOD_NAMES`` among classes, as it is written there; None if none is."""
    there = {label.casefold(): label for label in labels}
    return next((there[name] for name in GOOD_NAMES if name in there), None)


def _only_good_photos(source: Source) -> Source:
    """Leave out photos in folders beside the good ones: training takes good subjects only."""
    classes = Counter(item.label or "no folder" for item in source.items)
    good = good_among(item.label for item in source.items if item.label)
    kept = tuple(item for item in source.items if item.label == good) if good else source.items
    return replace(source, items=kept, note=_joined(source.note, _told("photos", classes, good)))


def _only_good_outlines(source: Source) -> Source:
    """Leave out outlines of categories beside the good one, and photos that have none of it."""
    classes = Counter(label for item in source.items for label in item.outline_labels or ())
    good = good_among(classes)
    told = _told("outlines", classes, good)
    if good is None or told is None:
        return replace(source, note=_joined(source.note, told))
    kept = [_good_part(item, good) for item in source.items]
    return replace(source, items=tuple(item for item in kept if item.outlines != ()), note=_joined(source.note, told))


def _good_part(item: Item, good: str) -> Item:
    if item.outlines is None or item.outline_labels is None:
        return item
    pairs = zip(item.outlines, item.outline_labels, strict=True)
    kept = tuple(outline for outline, label in pairs if label == good)
    return replace(item, label=good, outlines=kept, outline_labels=(good,) * len(kept))


def _told(things: str, classes: Counter[str], good: str | None) -> str | None:
    """Say what is taken for good of several classes; None where there is nothing to choose from."""
    if len(classes) < 2:
        return None
    others = ", ".join(f"{count} in {label}" for label, count in sorted(classes.items()) if label != good)
    if good is not None:
        return f"only the {classes[good]} {things} in {good} count as good; left out: {others}"
    names = f"{', '.join(GOOD_NAMES[:-1])} or {GOOD_NAMES[-1]}"
    return f"all {things} count as good: {others}; if only some are, name these alone or call them {names}"


def _found(paths: Iterable[Path], root: Path, pattern: str | None, *, where: str) -> list[Path]:
    everything = list(paths)
    photos = photos_among(everything, root, pattern)
    if photos:
        return photos
    named = f" named {pattern}" if pattern else ""
    others = f"; {len(everything)} other files are there, e.g. {everything[0].name}" if everything else ""
    raise SourceError(f"found no photos{named} in {where}{others}: photos end in {', '.join(sorted(SUFFIXES))}")


def _label(path: Path, root: Path) -> str | None:
    """Return the name of the folder that holds the photo; None at the root."""
    if path.parent == root:
        return None
    name = path.parent.name
    return GOOD if name.casefold() == GOOD else name


def _unusable_note(path: Path, ids: Sequence[int]) -> str | None:
    if not ids:
        return None
    some = _some([str(i) for i in ids])
    return f"left out {len(ids)} annotations of {path} whose polygon has no area or lies far outside: {some}"


def _refuse_option(option: str, value: object) -> None:
    if value is not None:
        wanted = "the source mnist" if option == "--normal" else "a file, a folder or a glob"
        raise SourceError(f"{option} goes with {wanted} only: leave it out")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _joined(*notes: str | None) -> str | None:
    return "; ".join(filter(None, notes)) or None

"""What the subjects of a photo truly are: by a label file, annotated outlines, a mask of the defects, or the folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import cv2
import numpy as np

from cafepick.data.sources import GOOD, good_among
from cafepick.errors import ConfigError, PhotoError, SourceError
from cafepick.images import read_mask
from cafepick.jobs.match import match_outlines
from cafepick.scoring.evaluation import Found
from cafepick.scoring.omissions import Omission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cafepick.data.labels import Labels
    from cafepick.data.sources import Source
    from cafepick.detector import Prepared
    from cafepick.types import Item, Outline

LEAST_MARKED: Final = 0.005
"""A bean of a photo with a mask is defective if the mask covers at least this share of it."""


class Truth(NamedTuple):
    """What is known about one photo."""

    labels: tuple[str | None, ...]
    """Class of each subject that was cut out, in their order; None where nothing is said of it."""
    mask: NDArray[np.bool_] | None
    """(H, W) where the defects are, if the source has a mask."""
    found: Found | None
    """How the beans found agree with those annotated, where beans are annotated and were looked for."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Labelling:
    """Where labels come from, and which of them mean good."""

    good: tuple[str, ...] = (GOOD,)
    """At least one; case does not count."""
    labels: Labels | None = None
    """A label file; it alone counts where there is one."""
    use_outlines: bool = False
    """The annotated outlines themselves are judged, instead of beans that the detector finds."""

    @classmethod
    def of(
        cls, source: Source, *, good: Sequence[str] = (), labels: Labels | None = None, use_outlines: bool = False
    ) -> Labelling:
        """Choose what counts as good, where the user does not say."""
        named = tuple(good) or cls(labels=labels).usual_good(source)
        return cls(good=named, labels=labels, use_outlines=use_outlines)

    def usual_good(self, source: Source) -> tuple[str, ...]:
        """Return the class called good, or by another of its names; ``good`` if none is."""
        return (good_among(self.classes(source)) or GOOD,)

    def classes(self, source: Source) -> list[str]:
        """Return the classes that photos and beans have, in order."""
        return sorted(self.labels.classes if self.labels else _classes(source.items))

    def is_good(self, label: str) -> bool:
        """Tell whether a class counts as good."""
        return label.casefold() in {name.casefold() for name in self.good}

    def check(self, source: Source) -> tuple[Omission, ...]:
        """Refuse labels that cannot work; return what else should be known of them.

        Raises:
            SourceError: there is no label, or none fits.
            ConfigError: ``good`` names a class that is not there, or there are no outlines to use.
        """
        if self.use_outlines and all(item.outlines is None for item in source.items):
            raise ConfigError("--use-outlines needs outlines: give a COCO file as source, or with --outlines")
        names = [item.name for item in source.items]
        unknown = self.labels.check_against(names, str(source.root)) if self.labels else ()
        classes = self.classes(source)
        if not classes:
            raise SourceError(
                f"the {len(names)} photos in {source.root} have no labels: put them into folders named good and by "
                f"defect, give a COCO file, or a table with --labels"
            )
        known = {label.casefold() for label in (*classes, GOOD)}
        if missing := [name for name in self.good if name.casefold() not in known]:
            raise ConfigError(f"--good {missing[0]} is none of the classes {', '.join(classes)}: correct it")
        if not unknown:
            return ()
        return (Omission("labels", "photos_not_there", {"photos": len(unknown), "first": unknown[0]}),)

    def digest(self, source: Source) -> str:
        """Return a hash of all that is known about the photos of ``source``, their names included."""
        digest = hashlib.sha256()
        for item in source.items:
            digest.update(repr((item.name, item.label, str(item.mask_path), item.outline_labels)).encode())
            for outline in item.outlines or ():
                digest.update(np.ascontiguousarray(outline).data)
        known = () if self.labels is None else (sorted(self.labels.photos.items()), sorted(self.labels.beans.items()))
        digest.update(repr(known).encode())
        return digest.hexdigest()[:16]

    def truth_of(self, item: Item, prepared: Prepared) -> Truth:
        """Say what the subjects of one photo are.

        Args:
            item: the photo, with what its source says.
            prepared: its subjects, as the detector cut them.

        Raises:
            PhotoError: its mask cannot be read or has another size.
        """
        mask = None if item.mask_path is None else _mask_of(item, prepared.shape)
        labels, found = self._from_outlines(item, prepared)
        if labels is None:
            labels = self._from_photo(item, prepared.outlines, mask)
        if self.labels is not None:
            labels = tuple(self.labels.of(item.name, bean) for bean in range(1, len(prepared.outlines) + 1))
        return Truth(labels, mask, found)

    def _from_outlines(self, item: Item, prepared: Prepared) -> tuple[tuple[str | None, ...] | None, Found | None]:
        """Labels by annotated outlines; None where there are none, or where the photo itself is the subject."""
        contours = [outline.contour for outline in prepared.outlines if outline is not None]
        if item.outlines is None or item.outline_labels is None or len(contours) < len(prepared.outlines):
            return None, None
        if self.use_outlines:
            return item.outline_labels, None
        last_pixel = np.array(prepared.shape[::-1], np.float32) - 1
        annotated = [np.clip(outline, np.float32(0), last_pixel) for outline in item.outlines]  # what the photo shows
        pairs = match_outlines(contours, annotated)
        partner = {pair.found: item.outline_labels[pair.annotated] for pair in pairs}
        matched = {pair.annotated for pair in pairs}
        alone = tuple(label for number, label in enumerate(item.outline_labels) if number not in matched)
        found = Found(len(item.outlines), len(contours), tuple(pair.overlap for pair in pairs), alone)
        return tuple(partner.get(number) for number in range(len(contours))), found

    def _from_photo(
        self, item: Item, outlines: Sequence[Outline | None], mask: NDArray[np.bool_] | None
    ) -> tuple[str | None, ...]:
        """The photo's class for each subject; beans outside the mask of their photo's defects are good."""
        return tuple(
            item.label if outline is None or mask is None or _is_marked(outline.contour, mask) else self.good[0]
            for outline in outlines
        )


def _classes(items: Sequence[Item]) -> set[str]:
    labels = {label for item in items for label in item.outline_labels or (item.label,)}
    return {label for label in labels if label is not None}


def _mask_of(item: Item, shape: tuple[int, int]) -> NDArray[np.bool_]:
    mask = read_mask(item.mask_path)  # type: ignore[arg-type]
    if mask.shape != shape:
        raise PhotoError(
            f"the mask {item.mask_path} must have the size of its photo, {shape[1]} x {shape[0]}, "
            f"but has {mask.shape[1]} x {mask.shape[0]}: export it anew"
        )
    return mask


def _is_marked(contour: NDArray[np.float32], mask: NDArray[np.bool_]) -> bool:
    """Tell whether the mask covers ``LEAST_MARKED`` of a bean or more."""
    left, top, width, height = cv2.boundingRect(np.rint(contour).astype(np.int32))
    bean = np.zeros((height, width), np.uint8)
    cv2.fillPoly(bean, [np.rint(contour).astype(np.int32) - (left, top)], 1)
    inside = _window(mask, left, top, width, height) & bean.astype(bool)
    return bool(inside.sum() >= LEAST_MARKED * bean.sum())


def _window(mask: NDArray[np.bool_], left: int, top: int, width: int, height: int) -> NDArray[np.bool_]:
    """A (height, width) piece of ``mask``, False beyond its edges."""
    piece = np.zeros((height, width), bool)
    y, x = max(-top, 0), max(-left, 0)
    inside = mask[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    piece[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return piece

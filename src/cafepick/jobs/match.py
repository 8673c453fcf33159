"""Outlines found against outlines annotated: which is which, and how well they agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEAST_OVERLAP: Final = 0.5
"""Intersection over union from which a found outline counts as an annotated one."""


class Pair(NamedTuple):
    """A found and an annotated outline that show the same bean."""

    found: int
    """Position among the outlines found."""
    annotated: int
    """Position among the outlines annotated."""
    overlap: float
    """Intersection over union, ``LEAST_OVERLAP``..1."""


def match_outlines(found: Sequence[NDArray[np.float32]], annotated: Sequence[NDArray[np.float32]]) -> list[Pair]:
    """Pair outlines one to one, the best overlap first.

    Args:
        found: each (n, 2) x, y in photo pixels.
        annotated: likewise.

    Returns:
        The pairs, in the order of ``found``.
    """
    near = np.argwhere(_boxes_meet(found, annotated))
    pairs = [Pair(int(f), int(a), overlap_of(found[f], annotated[a])) for f, a in near]
    taken: dict[int, Pair] = {}
    partners: set[int] = set()
    for pair in sorted(pairs, key=lambda pair: (-pair.overlap, pair.found, pair.annotated)):
        if pair.overlap >= LEAST_OVERLAP and pair.found not in taken and pair.annotated not in partners:
            taken[pair.found] = pair
            partners.add(pair.annotated)
    return [taken[position] for position in sorted(taken)]


def overlap_of(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the intersection over union of two filled outlines (n, 2), in whole pixels."""
    corner = np.floor(np.minimum(first.min(axis=0), second.min(axis=0)))
    width, height = np.ceil(np.maximum(first.max(axis=0), second.max(axis=0)) - corner).astype(int) + 1
    one, other = (_filled(contour - corner, (height, width)) for contour in (first, second))
    return float(np.sum(one & other) / np.sum(one | other))


def _boxes_meet(found: Sequence[NDArray[np.float32]], annotated: Sequence[NDArray[np.float32]]) -> NDArray[np.bool_]:
    """(found, annotated) True where the boxes around two outlines overlap."""
    if not (found and annotated):
        return np.zeros((len(found), len(annotated)), bool)
    low, high = _corners(found)
    other_low, other_high = _corners(annotated)
    return np.all((low[:, None] <= other_high) & (other_low <= high[:, None]), axis=2)


def _corners(contours: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Lowest and highest x, y of each outline, (n, 2) each."""
    return np.stack([c.min(axis=0) for c in contours]), np.stack([c.max(axis=0) for c in contours])


def _filled(contour: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.bool_]:
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint(contour).astype(np.int32)], 1)
    return mask.astype(bool)

"""What the search for beans leaves over, and what the rest is told from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from cafepick.beans.split import Piece, hull_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class Ground(NamedTuple):
    """A photo and how it differs from its surface, pixel by pixel of the working image."""

    image: NDArray[np.uint8]
    """(h, w, 3) RGB."""
    difference: NDArray[np.float32]
    """(h, w) from the bare surface, shadows forgiven."""
    mask: NDArray[np.bool_]
    """(h, w), True on all that differs from the surface."""


def outside(beans: Mapping[int, Piece], labels: NDArray[np.int32]) -> NDArray[np.uint8]:
    """(h, w) 1 where no bean is labelled."""
    is_free = np.ones(int(labels.max()) + 1, np.uint8)
    is_free[list(beans)] = 0
    return np.take(is_free, labels)


def piece_of(contour: NDArray[np.int32]) -> Piece:
    """Return what a contour (n, 1, 2) through the outermost pixels bounds, these included."""
    return Piece(hull_of(contour), cv2.contourArea(contour) + cv2.arcLength(contour, True) / 2 + 1)


def typical_strength(difference: NDArray[np.float32], labels: NDArray[np.int32], beans: Mapping[int, Piece]) -> float:
    """Return by how much most beans differ from the surface, 0 without beans."""
    some = labels[::2, ::2].ravel()  # a quarter of the pixels tells as much
    sums, counts = np.bincount(some, weights=difference[::2, ::2].ravel()), np.bincount(some)
    known = [label for label in beans if label < len(counts) and counts[label]]
    return float(np.median(sums[known] / counts[known])) if known else 0.0


def mean_within(difference: NDArray[np.float32], contour: NDArray[np.int32]) -> float:
    """Return the mean difference inside a contour (n, 1, 2)."""
    left, top, width, height = cv2.boundingRect(contour)
    inside = np.zeros((height, width), np.uint8)
    cv2.drawContours(inside, [contour], 0, 1, cv2.FILLED, offset=(-left, -top))
    return float(difference[top : top + height, left : left + width][inside > 0].mean())

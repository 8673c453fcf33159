"""Part beans that touch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def split_touching(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Label the beans of a mask: each pixel goes to the nearest peak of the distance transform.

    Args:
        mask: (h, w), True on beans.

    Returns:
        (h, w), 0 on the ground, beans from 1.
    """
    solid = cv2.morphologyEx(
        mask.astype(np.uint8), cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    )
    depth = cv2.distanceTransform(solid, cv2.DIST_L2, 5)
    blurred = cv2.GaussianBlur(depth, (0, 0), 1.5)
    if not solid.any():
        return np.zeros(mask.shape, np.int32)
    radius = float(np.median(blurred[(blurred == cv2.dilate(blurred, np.ones((9, 9)))) & (solid > 0)]))
    side = max(3, int(1.2 * radius) | 1)
    peaks = (blurred == cv2.dilate(blurred, np.ones((side, side)))) & (blurred > 0.4 * radius)
    count, seeds = cv2.connectedComponents(peaks.astype(np.uint8))
    if count == 1:
        return np.zeros(mask.shape, np.int32)
    _, cells = cv2.distanceTransformWithLabels((seeds == 0).astype(np.uint8), cv2.DIST_L2, 5)
    seed_of_cell = np.zeros(cells.max() + 1, np.int32)
    seed_of_cell[cells[seeds > 0]] = seeds[seeds > 0]
    return np.where(solid > 0, seed_of_cell[cells], 0)

"""What is as thick as a bean and was lost all the same.

A grey stone passes in part for a shadow, so little of it differs as beans do, and that in rags; and beans in a heap may
have been given up together with what they touch. What is left over of all that differs from the surface, and is thick,
compact and no shadow, is one of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.beans.split import ROUNDNESS, Piece

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cafepick.beans.ground import Ground

THICK: Final = 0.6
"""Half the width that a stone has everywhere, in units of half the width of a typical bean."""
AREAS: Final = (0.4, 2.0)
"""Area of a stone in units of a typical bean's."""
MOST_CONCAVE: Final = 0.1
"""No stone falls short of its convex hull by more than this share of its own area."""
LONGEST: Final = 1.8
"""No stone is more than so many times as long as wide."""
STRENGTH: Final = 0.4
"""A stone differs from the surface, shadows forgiven, by at least so much of what beans do."""


def add_stones(ground: Ground) -> None:
    """Find the stones and the lost beans beside the beans and add them to these."""
    beside = np.asarray(cv2.erode(ground.free, np.ones((3, 3), np.uint8)), np.uint8)
    contours, _ = cv2.findContours(ground.mask & beside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    least = np.pi * (THICK * ground.radius) ** 2
    large = [np.asarray(contour, np.int32) for contour in contours if cv2.contourArea(contour) > least]
    for points in [thick for contour in large for thick in _thick_parts(contour, beside, ground.radius)]:
        piece = Piece.within(points)
        if _is_compact(piece, ground.radius) and ground.strength_within(points) >= STRENGTH * ground.strength:
            ground.add(points, piece)


def _thick_parts(contour: NDArray[np.int32], free: NDArray[np.uint8], radius: float) -> list[NDArray[np.int32]]:
    """Contours of what is thick and free inside a contour."""
    reach = max(1, round(THICK * radius))
    x, y, width, height = cv2.boundingRect(contour)
    left, top = max(x - reach, 0), max(y - reach, 0)  # the ground around counts; beyond the frame there may be more
    around = free[top : y + height + reach, left : x + width + reach]
    filled = np.zeros_like(around)
    cv2.drawContours(filled, [contour], 0, 1, cv2.FILLED, offset=(-left, -top))
    filled &= around
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    thick = cv2.morphologyEx(filled, cv2.MORPH_OPEN, disc)
    contours, _ = cv2.findContours(thick, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=(left, top))
    return [np.asarray(one, np.int32) for one in contours]


def _is_compact(piece: Piece, radius: float) -> bool:
    least, most = (share * ROUNDNESS * np.pi * radius**2 for share in AREAS)
    _, sides, _ = cv2.minAreaRect(piece.hull)
    fits = least <= piece.area <= most and piece.lack <= MOST_CONCAVE * piece.area
    return fits and max(sides) + 1 <= LONGEST * (min(sides) + 1)

"""What is as thick as a bean and was lost all the same.

A grey stone passes in part for a shadow, so little of it differs as beans do, and that in rags; and beans in a heap may
have been given up together with what they touch. What is left over of all that differs from the surface, and is thick,
compact and no shadow, is one of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.beans.ground import mean_within, outside, piece_of, typical_strength
from cafepick.beans.split import ROUNDNESS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cafepick.beans.ground import Ground
    from cafepick.beans.split import Piece

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


def add_stones(
    labels: NDArray[np.int32], beans: Mapping[int, Piece], ground: Ground, radius: float
) -> dict[int, Piece]:
    """Label the stones of a mask.

    Args:
        labels: (h, w) of beans and of what is none, 0 on the ground; stones are drawn into it.
        beans: the bean that each label stands for, if it stands for one.
        ground: the photo and how it differs from its surface.
        radius: half the width of a typical bean, pixels.

    Returns:
        The stones, by label.
    """
    beside = np.asarray(cv2.erode(outside(beans, labels), np.ones((3, 3), np.uint8)), np.uint8)
    thick = _thick_parts(beside, ground.mask, radius)
    if thick is None:
        return {}
    contours, _ = cv2.findContours(thick, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    strength = STRENGTH * typical_strength(ground.difference, labels, beans)
    first = int(labels.max()) + 1
    stones: dict[int, Piece] = {}
    for contour in contours:
        points = np.asarray(contour, np.int32)
        piece = piece_of(points)
        if _is_compact(piece, radius) and mean_within(ground.difference, points) >= strength:
            label = first + len(stones)
            cv2.drawContours(labels, [points], 0, label, cv2.FILLED)
            stones[label] = piece
    return stones


def _thick_parts(free: NDArray[np.uint8], mask: NDArray[np.bool_], radius: float) -> NDArray[np.uint8] | None:
    """(h, w) 1 where the mask, its holes filled, is thick beside the beans; None where nothing is large enough."""
    contours, _ = cv2.findContours(mask & free, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    large = [contour for contour in contours if cv2.contourArea(contour) > np.pi * (THICK * radius) ** 2]
    if not large:
        return None
    filled = np.zeros_like(free)
    cv2.drawContours(filled, large, -1, 1, cv2.FILLED)
    side = 2 * max(1, round(THICK * radius)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.morphologyEx(filled & free, cv2.MORPH_OPEN, disc), np.uint8)


def _is_compact(piece: Piece, radius: float) -> bool:
    least, most = (share * ROUNDNESS * np.pi * radius**2 for share in AREAS)
    _, sides, _ = cv2.minAreaRect(piece.hull)
    fits = least <= piece.area <= most and piece.lack <= MOST_CONCAVE * piece.area
    return fits and max(sides) + 1 <= LONGEST * (min(sides) + 1)

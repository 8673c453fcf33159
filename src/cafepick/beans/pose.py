"""How a bean lies in the photo: the middle of its extent, the direction of its long axis, which end is up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_SKEW: Final = 0.01
"""Skewness along the axis below which the two ends of a bean count as alike."""


@dataclass(frozen=True)
class Pose:
    """Where a bean lies and how it is turned."""

    centre: tuple[float, float]
    """Middle of its extent along and across the axis, x, y in photo pixels."""
    turn: float
    """Clockwise rotation of the upright bean that gives the bean in the photo, radians; past a quarter: upside down."""
    length: float
    """Extent along the axis, photo pixels."""

    @property
    def angle(self) -> float:
        """Direction of the axis, degrees clockwise from the vertical, in [-90, 90)."""
        return (float(np.degrees(self.turn)) + 90) % 180 - 90

    def to_photo(self, scale: float, size: int) -> NDArray[np.float64]:
        """(2, 3) map from crop pixels to photo pixels, for ``scale`` crop pixels per photo pixel."""
        matrix = rotation(self.turn) / scale
        middle = np.full(2, (size - 1) / 2)
        return np.column_stack([matrix, np.asarray(self.centre) - matrix @ middle])


def pose_of(contour: NDArray[np.float32]) -> Pose:
    """Find the principal axis of a filled outline (n, 2) and which of its ends is up."""
    origin = contour.mean(axis=0)  # moments about a near point keep their digits
    local = np.ascontiguousarray(contour - origin, np.float32)
    m = cv2.moments(local)
    axis = 0.5 * np.arctan2(2 * m["mu11"], m["mu20"] - m["mu02"])  # from the x axis, clockwise, as y points down
    turn = float((axis + np.pi) % np.pi - np.pi / 2)  # axis + a quarter turn, in [-90, 90) degrees
    if _skewness_downwards(m, turn) > LEAST_SKEW:  # the long tail points down
        turn += np.pi
    along = local @ rotation(turn)  # (n, 2) across, along
    low, high = along.min(axis=0), along.max(axis=0)
    centre = origin + rotation(turn) @ ((low + high) / 2)
    return Pose((float(centre[0]), float(centre[1])), turn, float(high[1] - low[1]))


def _skewness_downwards(m: dict[str, float], turn: float) -> float:
    """Skewness of the filled outline along the axis, positive when the thinner end is the lower one of the crop."""
    x, y = -np.sin(turn), np.cos(turn)  # the crop's downward direction in the photo
    second = x * x * m["mu20"] + 2 * x * y * m["mu11"] + y * y * m["mu02"]
    third = x**3 * m["mu30"] + 3 * x * x * y * m["mu21"] + 3 * x * y * y * m["mu12"] + y**3 * m["mu03"]
    return third * np.sqrt(m["m00"]) / second**1.5 if second > 0 else 0.0


def rotation(turn: float) -> NDArray[np.float64]:
    """(2, 2) clockwise rotation of column vectors, y pointing down."""
    return np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])

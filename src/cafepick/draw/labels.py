"""Where labels go: beside their bean, on free ground where there is some, on nobody else's label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.draw.ink import Area

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

OWN_COST: Final = 0.5
OTHER_COST: Final = 1.0
LABEL_COST: Final = 4.0
"""Cost of covering a pixel of the labelled bean, of another bean, of a label."""

_LABEL: Final = -1
_DIRECTIONS: Final = np.radians([-45, -90, 0, -135, 180, 45, 135, 90, -67, -22, 22, 67, -112, -158, 112, 158])
"""Where a label is looked for, from the preferred on: above right first."""


class Ground:
    """What covers each pixel of a picture: beans, counted from 1, labels, or nothing."""

    def __init__(self, shape: tuple[int, int], contours: Sequence[NDArray[np.float32]]) -> None:
        self.cover = np.zeros(shape, np.int16 if len(contours) <= np.iinfo(np.int16).max else np.int32)
        self.contours = contours
        for number, contour in enumerate(contours, start=1):
            cv2.fillPoly(self.cover, [np.rint(contour).astype(np.int32)], number)

    def place(self, width: int, height: int, *, own: int, gap: float) -> Area:
        """Choose and occupy the place of a label, which hides as little as possible.

        Args:
            width: of the label, in pixels.
            height: of the label, in pixels.
            own: number of the bean that it belongs to.
            gap: space between the bean's outline and the label, in pixels.
        """
        best, least = Area(0, 0, width, height), np.inf
        for area in self._places(width, height, own, gap):
            cost = self._cost(area, own)
            if cost < least:  # of equals the first, which is preferred
                best, least = area, cost
            if not cost:
                break
        best.of(self.cover)[:] = _LABEL
        return best

    def _places(self, width: int, height: int, own: int, gap: float) -> Iterator[Area]:
        """Around the bean, touching it; at last on the bean itself."""
        contour = self.contours[own - 1]
        middle = (contour.min(axis=0) + contour.max(axis=0)) / 2
        for angle in _DIRECTIONS:
            towards = np.array([np.cos(angle), np.sin(angle)])
            rim = contour[np.argmax(contour @ towards)]
            centre = rim + towards * (gap + np.array([width, height]) / 2)
            yield self._around(centre, width, height)
        yield self._around(middle, width, height)

    def _around(self, centre: NDArray[np.floating], width: int, height: int) -> Area:
        x, y = (round(float(value)) for value in centre - np.array([width, height]) / 2)
        return Area(x, y, width, height).inside(self.cover.shape[1], self.cover.shape[0])

    def _cost(self, area: Area, own: int) -> float:
        covered = area.of(self.cover)
        if not covered.any():
            return 0.0
        own_pixels, labels = np.count_nonzero(covered == own), np.count_nonzero(covered == _LABEL)
        others = np.count_nonzero(covered) - own_pixels - labels
        return (OWN_COST * own_pixels + OTHER_COST * others + LABEL_COST * labels) / covered.size

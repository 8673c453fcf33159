"""What is as thick as a bean and was lost all the same.

A grey stone passes in part for a shadow, so little of it differs as beans do, and that in rags; and beans in a heap may
have been given up together with what they touch. What is left over of all that differs from the surface, and is thick,
compact and no shadow, is one of these. Where no such piece is left, since the side that faces the light passes for a
shadow altogether, the stone is all that is dark there, if a good part of it is too dark for a shadow. A stone whose
dark side is as compact as a stone is still taken for that side alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

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
SHOWN: Final = 0.3
"""Share of a stone that no shadow explains, at least."""
REACH: Final = 2.0
"""How far from what shows the rest of a stone lies at most, in units of half the width of a typical bean."""
STRENGTH: Final = 0.4
"""A stone differs from the surface, shadows forgiven, by at least so much of what beans do."""


class _Window(NamedTuple):
    """A part of the working image."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def holds(self, contour: NDArray[np.int32]) -> bool:
        """Whether a contour (n, 1, 2) ends before the window does, on all sides; the photo ends where it ends."""
        left, top, width, height = cv2.boundingRect(contour)
        begins = (left > self.left or left == 0) and (top > self.top or top == 0)
        return begins and left + width < self.right and top + height < self.bottom


def add_stones(ground: Ground) -> None:
    """Find the stones and the lost beans beside the beans and add them to these."""
    beside = np.asarray(cv2.erode(ground.free, np.ones((3, 3), np.uint8)), np.uint8)
    contours, _ = cv2.findContours(ground.mask & beside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    least = SHOWN * AREAS[0] * ROUNDNESS * np.pi * ground.radius**2  # of the smallest stone, if it shows in one piece
    strength = STRENGTH * ground.strength  # of beans, before stones are among them
    for shown in [np.asarray(contour, np.int32) for contour in contours if cv2.contourArea(contour) > least]:
        for stone in _standing_out(shown, ground, beside, strength) or _dark_around(shown, ground, beside):
            ground.add(stone, Piece.within(stone))
            cv2.drawContours(beside, [stone], 0, 0, cv2.FILLED)


def _standing_out(
    shown: NDArray[np.int32], ground: Ground, beside: NDArray[np.uint8], strength: float
) -> list[NDArray[np.int32]]:
    """Contours of the stones inside ``shown`` that differ from the surface as beans do, or nearly."""
    if cv2.contourArea(shown) <= np.pi * (THICK * ground.radius) ** 2:
        return []
    parts = _compact_parts(shown, beside, ground.radius)
    return [part for part in parts if ground.strength_within(part) >= strength]


def _dark_around(shown: NDArray[np.int32], ground: Ground, beside: NDArray[np.uint8]) -> list[NDArray[np.int32]]:
    """Contours of the dark stones about ``shown``, which bounds what no shadow explains."""
    reach = round(REACH * ground.radius)
    x, y, width, height = cv2.boundingRect(shown)
    window = _Window(max(x - reach, 0), max(y - reach, 0), x + width + reach, y + height + reach)
    dark = ground.dark(window.place) & beside[window.place]
    contours, _ = cv2.findContours(dark, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=window[:2])
    parts = [part for one in contours for part in _compact_parts(np.asarray(one, np.int32), beside, ground.radius)]
    return [part for part in parts if window.holds(part) and ground.share_within(part) >= SHOWN]


def _compact_parts(contour: NDArray[np.int32], free: NDArray[np.uint8], radius: float) -> list[NDArray[np.int32]]:
    """Contours of what is thick, free and as compact as a stone inside a contour."""
    return [part for part in _thick_parts(contour, free, radius) if _is_compact(Piece.within(part), radius)]


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

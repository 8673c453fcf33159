"""What is too thin for a bean and yet no line: twigs, stalks and straws among the beans.

The finder takes thin parts of the mask away, because edges, folds and hairs are thin. A straight piece of about a
bean's length, as wide all along, that stands out as beans do and ends at both ends is none of these. A stick that the
frame cuts is not found: it may be an edge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import cv2
import numpy as np

from cafepick.beans.split import Piece, hull_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

THINNEST: Final = 0.12
"""Half the width of the thinnest stick, in units of half the width of a typical bean."""
LENGTHS: Final = (2.0, 6.5)
"""Length of a stick in the same unit; a bean is about 3 long."""
STRAIGHT: Final = 0.78
"""Share of the smallest rectangle around it that a stick fills."""
SLIM: Final = 2.5
"""A stick is at least so many times as long as wide; what is left beside a bean is shorter."""
STRENGTH: Final = 0.6
"""A stick differs from the surface at least by so much of what the beans do; the blurred foot of a wall by less."""
BEYOND: Final = (0.3, 0.9)
"""How far beyond its ends, in the same unit, a fold or an edge runs on."""
FAR_BEYOND: Final = (0.6, 2.0)
"""The same of the darker line of an edge's shadow; the stick's own shadow ends before."""
ASIDE: Final = 0.12
"""How far aside, in the same unit: it may bend."""
BESIDE: Final = 0.6
"""How far aside, in the same unit, the surface is bare."""
DARKER: Final = 4.0
"""Grey levels of 255 by which a line is darker than the surface on both sides."""
GOES_ON: Final = 0.6
"""Share of that stretch along which there is something."""


class Ground(NamedTuple):
    """What sticks are told from, pixel by pixel of the working image."""

    image: NDArray[np.uint8]
    """(h, w, 3) RGB."""
    difference: NDArray[np.float32]
    """(h, w) from the bare surface, shadows forgiven."""
    mask: NDArray[np.bool_]
    """(h, w), True on all that differs from the surface."""


def add_sticks(
    labels: NDArray[np.int32], beans: Mapping[int, Piece], core: NDArray[np.uint8], ground: Ground, radius: float
) -> dict[int, Piece]:
    """Label the sticks of a mask.

    Args:
        labels: (h, w) of beans and of what is none, 0 on the ground; sticks are drawn into it.
        beans: the bean that each label stands for, if it stands for one.
        core: (h, w), 1 on what differs from the surface about as much as what lies nearby.
        ground: the photo and how it differs from its surface.
        radius: half the width of a typical bean, pixels.

    Returns:
        The sticks, by label.
    """
    first = int(labels.max()) + 1
    is_free = np.ones(first, np.uint8)
    is_free[list(beans)] = 0
    free = np.take(is_free, labels)
    side = 2 * max(1, round(THINNEST * radius)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    rest = cv2.morphologyEx(core & free, cv2.MORPH_OPEN, disc)
    contours, _ = cv2.findContours(rest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    strength: float | None = None
    sticks: dict[int, Piece] = {}
    for contour in contours:
        points = np.asarray(contour, np.int32)
        piece = Piece(hull_of(points), cv2.contourArea(points) + cv2.arcLength(points, True) / 2 + 1)
        if not _is_thin(piece, radius):
            continue
        if strength is None:
            strength = STRENGTH * _typical(ground.difference, labels, beans)
        if _mean_within(ground.difference, points) >= strength and not _runs_on(piece, ground, free, radius):
            label = first + len(sticks)
            cv2.drawContours(labels, [points], 0, label, cv2.FILLED)
            sticks[label] = piece
    return sticks


def _is_thin(piece: Piece, radius: float) -> bool:
    _, sides, _ = cv2.minAreaRect(piece.hull)
    width, length = min(sides) + 1, max(sides) + 1
    fits = LENGTHS[0] * radius <= length <= LENGTHS[1] * radius and length >= SLIM * width
    return fits and piece.area >= STRAIGHT * width * length


def _typical(difference: NDArray[np.float32], labels: NDArray[np.int32], beans: Mapping[int, Piece]) -> float:
    """Return by how much most beans differ from the surface, 0 without beans."""
    sums = np.bincount(labels.ravel(), weights=difference.ravel())
    counts = np.bincount(labels.ravel())
    known = [label for label in beans if label < len(counts) and counts[label]]
    return float(np.median(sums[known] / counts[known])) if known else 0.0


def _mean_within(difference: NDArray[np.float32], contour: NDArray[np.int32]) -> float:
    left, top, width, height = cv2.boundingRect(contour)
    inside = np.zeros((height, width), np.uint8)
    cv2.drawContours(inside, [contour], 0, 1, cv2.FILLED, offset=(-left, -top))
    return float(difference[top : top + height, left : left + width][inside > 0].mean())


def _runs_on(piece: Piece, ground: Ground, free: NDArray[np.uint8], radius: float) -> bool:
    """Whether there is more of it beyond one of its ends: something not of a bean, or a darker line, as of a shadow."""
    corners = cv2.boxPoints(cv2.minAreaRect(piece.hull))
    sides = np.roll(corners, -1, axis=0) - corners
    short = int(np.linalg.norm(sides, axis=1)[:2].argmin())
    ends = [(corners[k] + corners[(k + 1) % 4]) / 2 for k in (short, short + 2)]
    along = (ends[1] - ends[0]) / max(float(np.linalg.norm(ends[1] - ends[0])), 1e-6)
    across = np.array([-along[1], along[0]])
    near, far = (np.linspace(*reach, 8)[:, np.newaxis] * radius for reach in (BEYOND, FAR_BEYOND))
    aside = np.array([-BESIDE, -ASIDE, 0, ASIDE, BESIDE])[:, np.newaxis, np.newaxis] * radius * across
    size = np.array(ground.mask.shape[::-1]) - 1
    for end, outwards in ((ends[0], -along), (ends[1], along)):
        places = (end + steps * outwards + aside for steps in (near, far))
        (x, y), (u, v) = (np.moveaxis(np.rint(np.clip(one, 0, size)).astype(int), 2, 0) for one in places)  # (5, 8)
        something = (ground.mask[y[1:4], x[1:4]] & (free[y[1:4], x[1:4]] > 0)).any(axis=0)
        grey = ground.image[v, u].mean(axis=2)
        line = free[v, u].all(axis=0) & (grey[1:4].min(axis=0) < grey[[0, 4]].min(axis=0) - DARKER)
        if something.mean() > GOES_ON or line.mean() > GOES_ON:
            return True
    return False

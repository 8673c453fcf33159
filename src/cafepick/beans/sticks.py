"""What is too thin for a bean and yet no line: twigs, stalks and straws among the beans.

The finder takes thin parts of the mask away, because edges, folds and hairs are thin. A straight piece of about a
bean's length, as wide all along, that stands out as beans do and ends at both ends is none of these. A stick that the
frame cuts is not found: it may be an edge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.beans.split import Piece

if TYPE_CHECKING:
    from cafepick.beans.ground import Ground

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


def add_sticks(ground: Ground) -> None:
    """Find the sticks beside the beans and add them to these."""
    side = 2 * max(1, round(THINNEST * ground.radius)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    rest = cv2.morphologyEx(ground.core & ground.free, cv2.MORPH_OPEN, disc)
    contours, _ = cv2.findContours(rest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    sticks = []
    for contour in contours:
        points = np.asarray(contour, np.int32)
        piece = Piece.within(points)
        if (
            _is_thin(piece, ground.radius)
            and ground.strength_within(points) >= STRENGTH * ground.strength
            and not _runs_on(piece, ground)
        ):
            sticks.append((points, piece))
    for points, piece in sticks:
        ground.add(points, piece)


def _is_thin(piece: Piece, radius: float) -> bool:
    _, sides, _ = cv2.minAreaRect(piece.hull)
    width, length = min(sides) + 1, max(sides) + 1
    fits = LENGTHS[0] * radius <= length <= LENGTHS[1] * radius and length >= SLIM * width
    return fits and piece.area >= STRAIGHT * width * length


def _runs_on(piece: Piece, ground: Ground) -> bool:
    """Whether there is more of it beyond one of its ends: something not of a bean, or a darker line, as of a shadow."""
    free, radius = ground.free, ground.radius
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

"""Photo -> outlines: where the beans lie.

photo --shrink--> working image --background--> distance from the bare surface --threshold--> mask
      --split--> one label a bean --stones, sticks--> more --refine--> outlines at full resolution
"""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.beans.background import estimate_background
from cafepick.beans.coarse import Coarse, working_image
from cafepick.beans.colour import distance, to_lab
from cafepick.beans.ground import Ground
from cafepick.beans.refine import draw_outlines
from cafepick.beans.split import ROUNDNESS, depth_inside, split_touching, typical_radius
from cafepick.beans.sticks import add_sticks
from cafepick.beans.stones import add_stones
from cafepick.types import Outline, Scene

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cafepick.beans.background import Background
    from cafepick.beans.split import Piece

BAND: Final = 32
"""Rows of the working image that are compared with the surface at a time."""
LEAST_DIFFERENCE: Final = 6.0
"""Colour difference from the surface (CIE76, shadows forgiven) from which a pixel may belong to a bean."""
QUIET: Final = 0.99
"""Share of the bare surface that must not differ so much: it does where the photo is noisy or the surface rough."""
ABOVE: Final = 1.1
"""How far above what that share differs by."""
NARROWEST: Final = 0.0075
"""Half the width of the narrowest bean, as a share of the photo's longer side."""
CORE_LEVEL: Final = 0.65
"""Share of the difference typical of the beans nearby from which a pixel counts towards a bean's shape."""
HOLE: Final = 0.1
"""A hole smaller than this share of a typical bean's inscribed disc belongs to the bean."""
NEARBY: Final = 1.0
"""How far such beans are, in units of the typical radius."""
OPENING: Final = 0.25
"""What is thinner than this share of a typical bean is a line, an edge or a hair."""
AREAS: Final = (0.15, 4.0)
"""Area of a bean in units of the typical one; beyond are specks and clutter."""
MOST_CONCAVE: Final = 0.25
"""No bean falls short of its convex hull by more than this share of its own area."""
LONGEST: Final = 3.5
"""No bean is more than so many times as long as wide."""


def find_beans(photo: NDArray[np.uint8]) -> Scene:
    """Find every bean on the plain surface that a photo shows.

    Args:
        photo: (H, W, 3) RGB.

    Returns:
        The outlines in reading order, none for an empty surface; those that reach the frame are marked ``cut``.
    """
    small = working_image(photo)
    return find_on_surface(photo, small, Coarse.of(small))


def find_on_surface(
    photo: NDArray[np.uint8], small: NDArray[np.uint8], coarse: Coarse, *, filled: bool = False
) -> Scene:
    """Find every bean on the surface that a photo shows.

    Args:
        photo: (H, W, 3) RGB.
        small: the same at the size at which beans are looked for.
        coarse: the same at a coarse size.
        filled: whether the surface is known to fill the photo.

    Returns:
        As ``find_beans``.
    """
    background = estimate_background(coarse, filled=filled)
    difference = _difference(small, background)
    smooth = np.asarray(cv2.blur(difference, (3, 3)), np.float32)
    mask = smooth > _least_difference(smooth, background)
    radius = typical_radius(depth_inside(mask))
    if radius < NARROWEST * max(small.shape):
        return Scene((), background.colour, background.noise)
    core = _core(difference, mask, radius)
    solid = _without_thin_parts(core, radius)
    depth = depth_inside(solid)
    radius = typical_radius(depth)
    labels, pieces = split_touching(solid, depth, radius)
    beans = {label: piece for label, piece in pieces.items() if _is_bean(piece, radius)}
    ground = Ground(small, difference, mask, core, labels, beans, radius, background)
    add_stones(ground)
    add_sticks(ground)
    contours = draw_outlines(photo, ground.labels, ground.beans, difference, background)
    margin = 1.5 * photo.shape[1] / small.shape[1]
    return Scene(_in_reading_order(contours, photo.shape[:2], margin), background.colour, background.noise)


def _difference(image: NDArray[np.uint8], background: Background) -> NDArray[np.float32]:
    """(h, w) colour difference from the bare surface; 0 beyond its edges."""
    size = (image.shape[1], image.shape[0])
    surface = np.asarray(cv2.resize(background.lab, size), np.float32)
    difference = np.empty(image.shape[:2], np.float32)
    for top in range(0, len(image), BAND):  # what is computed on the way stays in the processor's cache
        band = slice(top, top + BAND)
        difference[band] = distance(to_lab(image[band]), surface[band], background.shadow)
    if not background.extent.all():
        extent = cv2.resize(background.extent.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        difference[extent == 0] = 0
    return difference


def _least_difference(smooth: NDArray[np.float32], background: Background) -> float:
    """Return the difference from which a pixel may belong to a bean: above what bare surface differs by."""
    some = smooth[::3, ::3]
    bare = cv2.resize(background.bare.view(np.uint8), some.shape[::-1], interpolation=cv2.INTER_NEAREST)
    seen = some[bare > 0]  # nothing, where a few pixels are bare and none of them among these
    return max(LEAST_DIFFERENCE, ABOVE * float(np.quantile(seen, QUIET))) if len(seen) else LEAST_DIFFERENCE


def _core(difference: NDArray[np.float32], mask: NDArray[np.bool_], radius: float) -> NDArray[np.uint8]:
    """(h, w) the mask without soft edges and gaps between beans that blur has closed."""
    reach = (2 * round(NEARBY * radius) + 1,) * 2
    within = mask.view(np.uint8)
    total = cv2.boxFilter(cv2.copyTo(difference, within), cv2.CV_32F, reach, normalize=False)
    count = cv2.boxFilter(within, cv2.CV_32F, reach, normalize=False)
    core = difference * count > CORE_LEVEL * total
    return _filled((mask & core).view(np.uint8), radius)


def _without_thin_parts(core: NDArray[np.uint8], radius: float) -> NDArray[np.bool_]:
    side = 2 * max(1, round(OPENING * radius)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.morphologyEx(core, cv2.MORPH_OPEN, disc).astype(bool)


def _filled(filled: NDArray[np.uint8], radius: float) -> NDArray[np.uint8]:
    """Fill the small holes of a mask of 0 and 1: a pale crease, a glint; not the ground in a ring of beans."""
    contours, levels = cv2.findContours(filled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    within = [parent >= 0 for parent in levels[0, :, 3].tolist()] if contours else []
    largest = HOLE * np.pi * radius**2
    holes = [hole for hole in compress(contours, within) if cv2.contourArea(hole) < largest]
    cv2.drawContours(filled, holes, -1, 1, cv2.FILLED)
    return filled


def _is_bean(piece: Piece, radius: float) -> bool:
    smallest, largest = (share * ROUNDNESS * np.pi * radius**2 for share in AREAS)
    _, sides, _ = cv2.minAreaRect(piece.hull)
    fits = smallest <= piece.area <= largest
    return fits and piece.lack <= MOST_CONCAVE * piece.area and max(sides) + 1 <= LONGEST * (min(sides) + 1)


def _in_reading_order(
    contours: Sequence[NDArray[np.float32]], shape: tuple[int, ...], margin: float
) -> tuple[Outline, ...]:
    """Outlines row by row, a row being as high as a typical bean."""
    if not contours:
        return ()
    boxes = [cv2.boundingRect(contour) for contour in contours]  # left, top, width, height
    row = float(np.median([box[3] for box in boxes]))
    order = sorted(range(len(boxes)), key=lambda i: ((boxes[i][1] + boxes[i][3] / 2) // row, boxes[i][0]))
    left, top, width, height = np.array(boxes).T
    room = np.minimum(np.minimum(left, top), np.minimum(shape[1] - left - width, shape[0] - top - height))
    return tuple(Outline(contours[i], cut) for i, cut in zip(order, (room[order] < margin).tolist(), strict=True))

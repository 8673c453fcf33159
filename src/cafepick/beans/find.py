"""Photo -> outlines: where the beans lie.

photo --shrink--> working image --background--> distance from the bare surface --threshold--> mask
      --split--> one label a bean --stones, sticks--> more --refine--> outlines at full resolution
"""

from __future__ import annotations

from dataclasses import replace
from itertools import compress
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.beans.background import estimate_background
from cafepick.beans.coarse import Coarse, working_image
from cafepick.beans.colour import distance, to_lab
from cafepick.beans.ground import Ground
from cafepick.beans.island import find_island
from cafepick.beans.refine import draw_outlines
from cafepick.beans.split import ROUNDNESS, depth_inside, split_touching, typical_radius
from cafepick.beans.sticks import add_sticks
from cafepick.beans.stones import add_stones
from cafepick.beans.surface import fill_between
from cafepick.types import Outline, Scene

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cafepick.beans.background import Background
    from cafepick.beans.island import Island
    from cafepick.beans.split import Piece

BAND: Final = 32
"""Rows of the working image that are compared with the surface at a time."""
LEAST_DIFFERENCE: Final = 6.0
"""Colour difference from the surface (CIE76, shadows forgiven) from which a pixel may belong to a bean."""
NOISE_FACTOR: Final = 8.0
"""In a noisy photo: so many times the typical difference of bare surface from its model."""
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
COARSER: Final = 8
"""By which the paper is made smaller to see how its light goes on beyond its edges."""
EDGE: Final = 0.02
"""Share of such a pixel that may lie beyond the paper."""

MANY_MORE: Final = 1.2
"""Times as many beans that a search without regard to the paper's edges must find on it to be believed."""
ALONG: Final = 0.001
"""An outline that comes so near to the paper's edge, as a share of its longer side, lies across it."""


def find_beans(photo: NDArray[np.uint8]) -> Scene:
    """Find every bean on the plain surface that a photo shows.

    Args:
        photo: (H, W, 3) RGB.

    Returns:
        The outlines in reading order, none for an empty surface; those that reach the frame are marked ``cut``.
    """
    small = working_image(photo)
    return _find(photo, small, Coarse.of(small))


def _find(photo: NDArray[np.uint8], small: NDArray[np.uint8], coarse: Coarse, *, filled: bool = False) -> Scene:
    """Find the beans on a surface that, if ``filled``, is known to fill the photo."""
    background = estimate_background(coarse, filled=filled)
    difference = _difference(small, background)
    smooth = cv2.blur(difference, (3, 3))
    mask = smooth > max(LEAST_DIFFERENCE, NOISE_FACTOR * background.spread)
    radius = typical_radius(depth_inside(mask))
    if radius < NARROWEST * max(small.shape):
        return Scene((), background.colour, background.noise)
    core = _core(difference, mask, radius)
    solid = _without_thin_parts(core, radius)
    depth = depth_inside(solid)
    radius = typical_radius(depth)
    labels, pieces = split_touching(solid, depth, radius)
    beans = {label: piece for label, piece in pieces.items() if _is_bean(piece, radius)}
    ground = Ground(small, difference, mask, core, labels, beans, radius)
    add_stones(ground)
    add_sticks(ground)
    contours = draw_outlines(photo, ground.labels, ground.beans, difference, background)
    margin = 1.5 * photo.shape[1] / small.shape[1]
    return Scene(_in_reading_order(contours, photo.shape[:2], margin), background.colour, background.noise)


def scene_of(photo: NDArray[np.uint8], contours: Sequence[NDArray[np.float32]] | None = None) -> Scene:
    """Return the scene of a photo (H, W, 3): of outlines that are known, or of the beans that are found.

    Where the photo shows paper on a table, only the beans on the paper count. Where the paper is no whole sheet, the
    photo is searched as if it showed no table, too, and that counts if it gives many more.
    """
    if contours is not None:
        return scene_from_outlines(photo, contours)
    small = working_image(photo)
    coarse = Coarse.of(small)
    island = find_island(photo, coarse)
    if island is None:
        return _find(photo, small, coarse)
    scene = _beans_on(photo, island)
    if island.sharp and scene.outlines:
        return scene
    plain = _find(photo, small, coarse)
    on_it = _on_paper(plain.outlines, island.inside, island)
    # a tray's wall, pale as paper, may have been taken for it; the plain search leaves walls out
    if not island.sharp and len(on_it) > MANY_MORE * len(scene.outlines):
        return replace(plain, outlines=tuple(on_it))
    if scene.outlines:
        return scene
    beside = tuple(one for one in plain.outlines if not _lies_on(island.inside, one.contour))
    return replace(plain, outlines=beside)  # on the table, where the paper itself is none


def _beans_on(photo: NDArray[np.uint8], island: Island) -> Scene:
    """Find the beans on paper in a photo of more; those across a sheet's edge are marked ``cut``."""
    left, top, width, height = cv2.boundingRect(island.inside)
    place = slice(top, top + height), slice(left, left + width)
    paper = island.inside[place]
    continued = _continued(photo[place], paper)
    small = working_image(continued)
    found = _find(continued, small, Coarse.of(small), filled=True)
    corner = np.array([left, top], np.float32)
    on_it = _on_paper(found.outlines, paper, island)
    surface = _surrounded(found.background, (left, top), paper.shape, photo.shape)
    return Scene(tuple(Outline(one.contour + corner, one.cut) for one in on_it), surface, found.background_noise)


def _on_paper(outlines: Sequence[Outline], paper: NDArray[np.uint8], island: Island) -> list[Outline]:
    """Return the outlines on the paper, 1 in a mask in their pixels; those across its edge ``cut``, if it is known."""
    margin = 2 * round(ALONG * max(paper.shape)) + 3
    well_inside = np.asarray(cv2.erode(paper, np.ones((margin, margin), np.uint8)), np.uint8)
    on_it = [(one, _leaves(one.contour, well_inside)) for one in outlines if _lies_on(paper, one.contour)]
    return [replace(one, cut=one.cut or leaves) for one, leaves in on_it if island.sharp or not leaves]


def _continued(photo: NDArray[np.uint8], paper: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w, 3) as if the paper, 1 in the mask (h, w), went on beyond its edges."""
    height, width = paper.shape
    size = (max(1, width // COARSER), max(1, height // COARSER))
    inside = cv2.resize(paper.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 1 - EDGE
    coarse = np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.float32)
    goes_on = np.clip(cv2.resize(fill_between(coarse, inside), (width, height)), 0, 255).astype(np.uint8)
    return np.where(paper[..., np.newaxis] > 0, photo, goes_on)


def _lies_on(paper: NDArray[np.uint8], contour: NDArray[np.float32]) -> bool:
    x, y = np.rint(contour.mean(axis=0)).astype(int)
    return bool(paper[y, x])


def _leaves(contour: NDArray[np.float32], paper: NDArray[np.uint8]) -> bool:
    x, y = np.rint(contour).astype(int).clip(0, np.array(paper.shape[::-1]) - 1).T
    return bool((paper[y, x] == 0).any())


def _surrounded(
    surface: NDArray[np.float32], corner: tuple[int, int], part: tuple[int, ...], photo: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return the surface of a part of a photo as one of the whole photo, its mean all around."""
    scale = np.array(surface.shape[:2]) / part[:2]
    around = np.empty((*np.ceil(np.array(photo[:2]) * scale).astype(int), 3), np.float32)
    around[:] = surface.mean(axis=(0, 1))
    top, left = np.floor(np.array(corner[::-1]) * scale).astype(int)
    place = around[top : top + len(surface), left : left + surface.shape[1]]
    place[:] = surface[: place.shape[0], : place.shape[1]]
    return around


def scene_from_outlines(photo: NDArray[np.uint8], contours: Sequence[NDArray[np.float32]]) -> Scene:
    """Make a scene of outlines that are known; the background is estimated from what lies outside them.

    Args:
        photo: (H, W, 3) RGB.
        contours: each (n, 2) x, y in photo pixels.

    Returns:
        The outlines in the order given; those that reach the frame are marked ``cut``.
    """
    small = working_image(photo)
    scale = np.array(small.shape[1::-1]) / photo.shape[1::-1]
    beans = np.zeros(small.shape[:2], np.uint8)
    for contour in contours:
        cv2.fillPoly(beans, [np.rint((contour + 0.5) * scale - 0.5).astype(np.int32)], 1)
    background = estimate_background(Coarse.of(small), beans.astype(bool))
    outlines = tuple(Outline(contour, _reaches_frame(contour, photo.shape[:2], 0.5)) for contour in contours)
    return Scene(outlines, background.colour, background.noise)


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


def _reaches_frame(contour: NDArray[np.float32], shape: tuple[int, ...], margin: float) -> bool:
    """Whether the outline comes within ``margin`` pixels of the centres of the photo's outermost pixels."""
    height, width = shape
    (left, top), (right, bottom) = (cv2.reduce(contour, 0, how)[0] for how in (cv2.REDUCE_MIN, cv2.REDUCE_MAX))
    return bool(min(left, top, width - 1 - right, height - 1 - bottom) < margin)

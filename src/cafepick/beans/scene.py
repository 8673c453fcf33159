"""Photo -> scene: what it shows, be that a surface that fills it or paper on a table.

photo --coarse--> is there paper? --no--> all beans that are found
                                 --yes--> those on the paper, its light continued beyond its edges
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.beans.background import estimate_background
from cafepick.beans.coarse import Coarse, working_image
from cafepick.beans.find import find_on_surface
from cafepick.beans.island import find_island
from cafepick.beans.surface import fill_between
from cafepick.types import Outline, Scene

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cafepick.beans.island import Island

COARSER: Final = 8
"""By which the paper is made smaller to see how its light goes on beyond its edges."""
EDGE: Final = 0.02
"""Share of such a pixel that may lie beyond the paper."""
MANY_MORE: Final = 1.2
"""Times as many beans that a search without regard to the paper's edges must find on it to be believed."""
ALONG: Final = 0.001
"""An outline that comes so near to the paper's edge, as a share of its longer side, lies across it."""


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
        return find_on_surface(photo, small, coarse)
    scene = _beans_on(photo, island)
    if island.sharp and scene.outlines:
        return scene
    plain = find_on_surface(photo, small, coarse)
    on_it = _on_paper(plain.outlines, island.inside, island)
    # a tray's wall, pale as paper, may have been taken for it; the plain search leaves walls out
    if not island.sharp and len(on_it) > MANY_MORE * len(scene.outlines):
        return replace(plain, outlines=tuple(on_it))
    if scene.outlines:
        return scene
    beside = tuple(one for one in plain.outlines if not _lies_on(island.inside, one.contour))
    return replace(plain, outlines=beside)  # on the table, where the paper itself is none


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


def _beans_on(photo: NDArray[np.uint8], island: Island) -> Scene:
    """Find the beans on paper in a photo of more; those across a sheet's edge are marked ``cut``."""
    left, top, width, height = cv2.boundingRect(island.inside)
    place = slice(top, top + height), slice(left, left + width)
    paper = island.inside[place]
    continued = _continued(photo[place], paper)
    small = working_image(continued)
    found = find_on_surface(continued, small, Coarse.of(small), filled=True)
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
    """Return the surface of a part of a photo as one of the whole photo, its median all around."""
    scale = np.array(surface.shape[:2]) / part[:2]
    around = np.empty((*np.ceil(np.array(photo[:2]) * scale).astype(int), 3), np.float32)
    around[:] = np.median(surface.reshape(-1, 3), axis=0)
    top, left = np.floor(np.array(corner[::-1]) * scale).astype(int)
    place = around[top : top + len(surface), left : left + surface.shape[1]]
    place[:] = surface[: place.shape[0], : place.shape[1]]
    return around


def _reaches_frame(contour: NDArray[np.float32], shape: tuple[int, ...], margin: float) -> bool:
    """Whether the outline comes within ``margin`` pixels of the centres of the photo's outermost pixels."""
    height, width = shape
    (left, top), (right, bottom) = (cv2.reduce(contour, 0, how)[0] for how in (cv2.REDUCE_MIN, cv2.REDUCE_MAX))
    return bool(min(left, top, width - 1 - right, height - 1 - bottom) < margin)

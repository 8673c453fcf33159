"""A sheet of paper that does not fill the photo: the pale, plain piece of it that lies on something else.

photo -> its largest plain piece among the palest -> all around that is paper in light or shade, as far as the first
edge -> convex hull -> where it is whole, the exact corners of the sheet
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.beans.background import to_lab
from cafepick.beans.borders import MOST_COLOURED, PALEST
from cafepick.beans.sheet import find_sheet
from cafepick.beans.surface import fill_between, find_flat

if TYPE_CHECKING:
    from numpy.typing import NDArray

COARSE_SIDE: Final = 192
"""Paper is looked for in the photo shrunk to this longer side, pixels."""
SMALLEST_PIECE: Final = 0.01
"""A plain piece of paper between beans and folds covers at least so much of the photo."""
AS_PALE: Final = 0.75
"""Paper is at least so light (CIE L*) as the lightest plain piece of the photo, be that a card beside it."""
SAME_CHROMA: Final = 8.0
"""Largest difference of a*, b* within one paper."""
SHADE: Final = 0.72
GLARE: Final = 1.15
"""Least and largest lightness of paper in shade and in light, as a share of that of the plain piece."""
EDGE_STEP: Final = 10.0
"""Change of lightness between neighbours at an edge; the soft border of a shadow changes less."""
NARROW: Final = 0.02
"""What is narrower than twice this share of the photo's longer side is no paper: a stripe of the table."""
SMALLEST: Final = 0.05
"""Share of the photo that paper covers at least."""
LEAST_AROUND: Final = 0.02
"""Share of the photo beyond the paper, below which the paper fills the photo."""
MOST_ALIKE: Final = 0.6
"""Share of what lies beyond that may look like paper; more of it, and it is a tray's wall or paper as well."""
AT_FRAME: Final = 0.02
"""Share of the frame that a whole sheet touches at most."""


def find_island(photo: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """Find the paper in a photo that shows more than it.

    Args:
        photo: (H, W, 3) RGB.

    Returns:
        (n, 2) corners x, y of a convex polygon in photo pixels: exactly the sheet's, where a whole A4 or Letter sheet
        is seen, else about those of its part in the photo. None where the photo shows only its surface, or no paper.
    """
    factor = max(1.0, max(photo.shape[:2]) / COARSE_SIDE)
    size = (max(1, round(photo.shape[1] / factor)), max(1, round(photo.shape[0] / factor)))
    lab = to_lab(np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8))
    piece = _palest_piece(lab)
    if piece is None:
        return None
    alike = _like(lab, piece)
    hull = _hull(_reached(alike & ~_edges(lab), piece))
    if hull is None:
        return None
    inside = np.zeros(piece.shape, np.uint8)
    cv2.fillConvexPoly(inside, hull, 1)
    beyond = inside == 0
    if inside.mean() < SMALLEST or beyond.mean() < LEAST_AROUND or alike[beyond].mean() > MOST_ALIKE:
        return None
    frame = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
    sheet = find_sheet(photo) if frame.mean() < AT_FRAME else None
    if sheet is not None:
        return sheet.corners
    return (hull + 0.5) * (np.array(photo.shape[1::-1]) / size) - 0.5


def _palest_piece(lab: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """(h, w) True on the largest of the palest plain pieces."""
    flat = find_flat(lab)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(flat.astype(np.uint8), connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA]
    large = [k for k in range(1, len(areas)) if areas[k] > SMALLEST_PIECE * flat.size]
    colours = {k: lab[labels == k].mean(axis=0) for k in large}
    paper = {k: c[0] for k, c in colours.items() if c[0] > PALEST and np.hypot(c[1], c[2]) < MOST_COLOURED}
    pale = [k for k, light in paper.items() if light > AS_PALE * max(paper.values())]
    return np.asarray(labels == max(pale, key=lambda k: areas[k]), np.bool_) if pale else None


def _like(lab: NDArray[np.float32], piece: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(h, w) True where the colour is that of the piece, in light or shade."""
    model = fill_between(lab, piece)
    off = lab - model
    light = lab[..., 0] / np.maximum(model[..., 0], 1)
    return np.asarray((np.hypot(off[..., 1], off[..., 2]) < SAME_CHROMA) & (light > SHADE) & (light < GLARE), np.bool_)


def _edges(lab: NDArray[np.float32]) -> NDArray[np.bool_]:
    light, near = np.ascontiguousarray(lab[..., 0]), np.ones((3, 3), np.uint8)
    return np.asarray(cv2.dilate(light, near) - cv2.erode(light, near) > EDGE_STEP, np.bool_)


def _reached(paper: NDArray[np.bool_], piece: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(h, w) the wide part of the mask, its holes filled, that the piece lies in."""
    contours, _ = cv2.findContours(paper.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(paper.shape, np.uint8)
    cv2.drawContours(filled, contours, -1, 1, cv2.FILLED)
    reach = max(2, round(NARROW * max(paper.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    around = cv2.copyMakeBorder(filled, *(2 * reach,) * 4, cv2.BORDER_REPLICATE)  # paper goes on beyond the frame
    wide = cv2.morphologyEx(around, cv2.MORPH_OPEN, disc)[2 * reach : -2 * reach, 2 * reach : -2 * reach]
    _, labels = cv2.connectedComponents(np.ascontiguousarray(wide))
    counts = np.bincount(labels[piece], minlength=2)
    counts[0] = 0
    return np.asarray((labels == counts.argmax()) & (labels > 0), np.bool_)


def _hull(mask: NDArray[np.bool_]) -> NDArray[np.int32] | None:
    points = cv2.findNonZero(mask.astype(np.uint8))
    return None if points is None else np.asarray(cv2.convexHull(points), np.int32).reshape(-1, 2)

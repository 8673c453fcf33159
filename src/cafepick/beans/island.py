"""A sheet of paper that does not fill the photo: the pale, plain piece of it that lies on something else.

photo -> its largest plain piece among the palest -> all around that is paper in light or shade, as far as the first
edge -> convex hull -> where it is whole, the exact corners of the sheet
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import cv2
import numpy as np

from cafepick.beans.borders import MOST_COLOURED, PALEST
from cafepick.beans.coarse import Coarse
from cafepick.beans.sheet import find_sheet
from cafepick.beans.surface import fill_between

if TYPE_CHECKING:
    from numpy.typing import NDArray

FINE_SIDE: Final = 400
"""Longer side, pixels, to which a photo is shrunk to see where its paper lies."""
SMALLEST_PIECE: Final = 0.01
"""A plain piece of paper between beans and folds covers at least so much of the photo."""
AS_PALE: Final = 0.75
"""Paper is at least so light (CIE L*) as the lightest plain piece of the photo, be that a card beside it."""
SAME_CHROMA: Final = 8.0
"""Largest difference of a*, b* within one paper."""
SHADE: Final = 0.72
GLARE: Final = 1.38
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
AT_FRAME: Final = 0.15
"""Share of the frame that a whole sheet, or what lies beside it, touches at most."""
LEAST_SHARE: Final = 0.66
"""Share of all that looks like paper that lies in the sheet; the rest is cloth or a card beside it."""
LARGEST: Final = 0.004
"""Share of the photo above which what the frame cuts is table, seen between the paper and the frame; else a bean."""
BLURRED: Final = 0.001
"""Width of the sheet's blurred edge, as a share of the photo's longer side."""


class Island(NamedTuple):
    """Paper in a photo that shows more than it."""

    inside: NDArray[np.uint8]
    """(H, W), 1 on the paper and on what lies on it."""
    sharp: bool
    """Whether it ends exactly where a sheet ends: a bean across its border is one, not the table's pattern."""


def find_island(photo: NDArray[np.uint8], coarse: Coarse) -> Island | None:
    """Find the paper in a photo; None where the photo shows only its surface, or no paper.

    Args:
        photo: (H, W, 3) RGB.
        coarse: the same at a coarse size.
    """
    rough = _paper(coarse)
    if rough is None or rough.fills_photo():
        return None
    fine = _paper(Coarse.of(photo, FINE_SIDE))
    if fine is None:
        return None
    scale = np.array(photo.shape[1::-1]) / fine.alike.shape[1::-1]
    sheet = find_sheet(photo) if fine.is_whole() else None
    if sheet is not None and fine.share_in((sheet.corners + 0.5) / scale - 0.5) < LEAST_SHARE:
        sheet = None  # a part of the paper, between its folds
    corners = (fine.hull + 0.5) * scale - 0.5 if sheet is None else sheet.corners
    inside = _drawn(np.rint(corners).astype(np.int32), photo.shape[:2])
    within = _drawn(np.rint((corners + 0.5) / scale - 0.5).astype(np.int32), fine.alike.shape)
    table = _table(~fine.alike & (within > 0), within, all_sizes=sheet is None)
    inside[cv2.resize(table, photo.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0] = 0
    blurred = 2 * round(BLURRED * max(photo.shape)) + 1
    return Island(cv2.erode(inside, np.ones((blurred, blurred), np.uint8)), sheet is not None)  # type: ignore[arg-type]


class _Paper(NamedTuple):
    alike: NDArray[np.bool_]
    """(h, w) True on what has the colour of the paper, in light or shade."""
    hull: NDArray[np.int32]
    """(n, 2) x, y around the paper."""

    def inside(self) -> NDArray[np.uint8]:
        return _drawn(self.hull, self.alike.shape)

    def fills_photo(self) -> bool:
        """Whether nothing else is seen: what lies beyond is a tray's wall, or too little; or it is no paper."""
        inside = self.inside()
        beyond = inside == 0
        small = inside.mean() < SMALLEST or beyond.mean() < LEAST_AROUND
        return bool(small or self.alike[beyond].mean() > MOST_ALIKE)

    def is_whole(self) -> bool:
        """Whether the paper ends before the frame."""
        inside = self.inside()
        frame = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
        return bool(frame.mean() < AT_FRAME)

    def share_in(self, corners: NDArray[np.float64]) -> float:
        """Share of the paper that lies in a polygon (n, 2)."""
        paper = self.alike & (self.inside() > 0)
        return float(_drawn(np.rint(corners).astype(np.int32), paper.shape)[paper].mean())


def _paper(photo: Coarse) -> _Paper | None:
    """Find the paper in a small photo."""
    piece = _palest_piece(photo)
    if piece is None:
        return None
    alike = _like(photo.lab, piece)
    hull = _hull(_reached(alike & ~_edges(photo.lab), piece))
    return None if hull is None else _Paper(alike, hull)


def _table(other: NDArray[np.bool_], inside: NDArray[np.uint8], *, all_sizes: bool) -> NDArray[np.uint8]:
    """(h, w) 1 where table is seen within a polygon: beside a corner folded away, or between sheet and card.

    Args:
        other: (h, w) True in the polygon on what is unlike paper.
        inside: (h, w) 1 in the polygon.
        all_sizes: whether all that reaches the polygon's border is table; else only what is wider than a bean.
    """
    parts = cv2.morphologyEx(other.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(parts)
    border = (inside > 0) & (cv2.erode(inside, np.ones((3, 3), np.uint8)) == 0)
    reaching = np.isin(labels, np.setdiff1d(labels[border], 0))
    if all_sizes:
        framed = np.ones_like(border)
        framed[1:-1, 1:-1] = False
        large = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] > LARGEST * border.size)
        reaching |= np.isin(labels, np.setdiff1d(np.intersect1d(labels[framed], large), 0))
    else:
        outside = (reaching | (inside == 0)).astype(np.uint8)
        wide = cv2.morphologyEx(outside, cv2.MORPH_OPEN, _disc(other.shape)) > 0
        reaching &= np.isin(labels, np.setdiff1d(labels[wide], 0))
    return np.asarray(cv2.dilate(reaching.astype(np.uint8), np.ones((5, 5), np.uint8)), np.uint8)


def _disc(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    reach = max(2, round(NARROW * max(shape)))
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2), np.uint8)


def _drawn(corners: NDArray[np.int32], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    canvas = np.zeros(shape, np.uint8)
    return np.asarray(cv2.fillConvexPoly(canvas, corners, 1), np.uint8)


def _palest_piece(photo: Coarse) -> NDArray[np.bool_] | None:
    """(h, w) True on the largest of the palest plain pieces."""
    light, a, b = photo.colours.T
    is_paper = (photo.areas > SMALLEST_PIECE * photo.flat.size) & (light > PALEST) & (np.hypot(a, b) < MOST_COLOURED)
    is_paper[0] = False  # what is not flat
    if not is_paper.any():
        return None
    pale = is_paper & (light > AS_PALE * light[is_paper].max())
    return np.asarray(photo.labels == np.where(pale, photo.areas, 0).argmax(), np.bool_)


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
    around = np.pad(filled, 2 * reach, mode="edge")  # paper goes on beyond the frame
    wide = cv2.morphologyEx(around, cv2.MORPH_OPEN, _disc(paper.shape))[2 * reach : -2 * reach, 2 * reach : -2 * reach]
    _, labels = cv2.connectedComponents(np.ascontiguousarray(wide))
    counts = np.bincount(labels[piece], minlength=2)
    counts[0] = 0
    return np.asarray((labels == counts.argmax()) & (labels > 0), np.bool_)


def _hull(mask: NDArray[np.bool_]) -> NDArray[np.int32] | None:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return np.asarray(cv2.convexHull(np.concatenate(contours)), np.int32).reshape(-1, 2) if contours else None

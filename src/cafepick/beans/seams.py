"""Straight edges inside a quadrangle, where a single sheet of paper has none.

A quadrangle may take in a pale stripe of the table beside the sheet, or two sheets that lie edge to edge. Either shows
as a line across it: a rise of whiteness beyond which the true sheet begins, or a dark gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from cafepick.beans.paper import homography

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE: Final = 240
"""A quadrangle is looked at as a square of so many pixels a side: about a millimetre each."""
BORDER: Final = 6
"""Rows along each side whose own edge is no inner one."""
DEEPEST: Final = 0.3
"""How far from its side an edge may end, as a share of the side across: folds in two or three lie deeper."""
RISE: Final = 0.05
"""Least rise of whiteness across such an edge within two rows, as a share of it."""
ALONG: Final = 0.6
"""Share of a line along which there is an edge or a gap, that speaks against a single sheet."""
GAP: Final = 0.13
"""Least depth of a gap between two sheets, as a share of whiteness; a fold's line is finer and paler."""
BETWEEN: Final = (0.3, 0.7)
"""Where such a gap may begin and end."""
SAMPLES: Final = 80
STEPS: Final = 40
"""Places along a line, and ends of lines that are tried on each of two opposite sides."""


def is_of_one_piece(white: NDArray[np.uint8], corners: NDArray[np.float64]) -> bool:
    """Tell whether no straight edge or gap runs across a quadrangle.

    Args:
        white: (h, w) whiteness at a working size.
        corners: (4, 2) pixels, in order.
    """
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64) * (SIDE - 1)
    flat = cv2.warpPerspective(white, homography(corners, square), (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    level = np.maximum(cv2.GaussianBlur(flat.astype(np.float32), (0, 0), 0.7), 1.0)
    for turns in range(4):
        rows = np.asarray(np.rot90(level, turns), np.float32)  # the side in question on top
        if _most_along(_rises(rows), 0.0, DEEPEST) > ALONG:
            return False
        if turns < 2 and _most_along(_gaps(rows), *BETWEEN) > ALONG:
            return False
    return True


def _rises(rows: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(h, w) True where whiteness rises downwards."""
    rise = np.zeros_like(rows)
    rise[1:-1] = (rows[2:] - rows[:-2]) / rows[2:]
    rise[:BORDER] = 0
    return cv2.dilate((rise > RISE).astype(np.uint8), np.ones((3, 1), np.uint8)).astype(bool)


def _gaps(rows: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(h, w) True where it is darker than four rows above and below."""
    dip = np.zeros_like(rows)
    dip[4:-4] = 1 - rows[4:-4] / np.minimum(rows[8:], rows[:-8])
    return cv2.dilate((dip > GAP).astype(np.uint8), np.ones((3, 1), np.uint8)).astype(bool)


def _most_along(marked: NDArray[np.bool_], low: float, high: float) -> float:
    """Largest share of marked places on a line from side to side, its ends between two shares of the height."""
    ends = np.linspace(low, high, STEPS) * (SIDE - 1)
    along = np.linspace(0.04, 0.96, SAMPLES)
    left, right = (one.ravel()[:, np.newaxis] for one in np.meshgrid(ends, ends))
    rows = np.rint(left + (right - left) * along).astype(int)  # (lines, samples)
    columns = np.rint(along * (SIDE - 1)).astype(int)
    return float(marked[rows, columns].mean(axis=1).max())

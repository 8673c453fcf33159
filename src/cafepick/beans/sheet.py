"""A whole A4 or Letter sheet in a photo: its corners, and with them perspective and millimetres.

photo -> lines -> quadrangles -> those bordered like paper -> corners -> those that a camera sees of a paper -> sheet
         lines.py                borders.py                              paper.py
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final, Literal

import cv2
import numpy as np

from cafepick.beans.borders import paper_goes_on, paper_share, trace_border
from cafepick.beans.coarse import shrunk
from cafepick.beans.colour import to_lab
from cafepick.beans.lines import find_lines, quadrangles, whiteness
from cafepick.beans.paper import PAPERS, WORST, certainty_of, homography, judge_papers, transformed
from cafepick.beans.seams import is_of_one_piece

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cafepick.beans.borders import Border

Paper = Literal["a4", "letter"]

WORKING_SIDE: Final = 800
"""Sheets are looked for in a photo shrunk to this longer side, pixels."""
REACH: Final = 4.0
"""How far from there the edge may lie at full size, in pixels of the shrunk photo."""
SURE: Final = 0.95
"""Certainty from which the kind of paper counts as known."""
UNLIKELY: Final = 0.02
"""Certainty below which a sheet is not of the kind that was asked for."""
AS_CLEAR: Final = 0.8
"""A larger sheet is preferred to a clearer one if it is clear to at least this share of that."""
SAME: Final = 3.0
"""Corners nearer than this, in pixels of the shrunk photo, to those of a sheet that was found lead to the same one."""
AS_GOOD: Final = 0.06
"""Difference of clearness that does not count where sheets nearly coincide."""
COINCIDE: Final = 0.88
"""Share of the larger of two sheets that the smaller covers, if they nearly coincide."""
INSET: Final = 1.0
"""Strip along the sheet's edge, mm, that a flattened photo leaves out, so that no table shows."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """A sheet of paper that a photo shows whole."""

    corners: NDArray[np.float64]
    """(4, 2) x, y in photo pixels, pixel centres at whole numbers: clockwise as seen, the first side a long one."""
    paper: Paper
    """The kind asked for; with ``auto`` the likelier one."""
    certainty: float
    """Probability of ``paper`` by the shape of the sheet as seen, 0..1, against the other kind."""
    to_mm: NDArray[np.float64]
    """(3, 3) homography from photo pixels to mm from the first corner, x along the long side."""
    pixels_per_mm: float
    """At the sheet's centre: the square root of photo pixels per square millimetre."""
    clearness: float
    """How clearly it stands out, 0..1: least share of a side along which its edge is seen, times that with paper."""

    @property
    def decided(self) -> bool:
        """Whether the shape alone tells A4 from Letter."""
        return self.certainty >= SURE

    @property
    def size(self) -> tuple[float, float]:
        """Long and short side in millimetres."""
        return PAPERS[self.paper]


def find_sheet(photo: NDArray[np.uint8], paper: Literal["auto", "a4", "letter"] = "auto") -> Sheet | None:
    """Find the largest sheet of paper that a photo shows whole.

    The sheet must be paler than the table along all four sides; beans may lie on it and across its edge. The photo must
    not be cropped: its middle is taken for the camera's axis.

    Args:
        photo: (H, W, 3) RGB.
        paper: ``a4`` or ``letter`` where that is known. ``auto`` decides by the shape; see ``Sheet.decided``.

    Returns:
        The sheet; None where none is whole, straight, of the paper asked for, and as a camera sees such a paper.
    """
    factor = max(1.0, max(photo.shape[:2]) / WORKING_SIDE)
    small = shrunk(photo, factor)
    size = small.shape[1::-1]
    white = whiteness(small)
    lab, full = to_lab(small), None
    scale = np.array(photo.shape[1::-1]) / size
    found: list[Sheet] = []
    seen: list[NDArray[np.float64]] = []
    for corners in quadrangles(find_lines(white), white.shape):
        if any(np.abs(corners - one).max() < SAME for one in seen):
            continue  # the same sheet, less exactly
        plain = paper_share(lab, white, corners)
        if not plain:
            continue
        full = whiteness(photo) if full is None else full
        border = trace_border(full, (corners + 0.5) * scale - 0.5, reach=REACH * factor)
        if border is not None:  # once more from nearer: a first side may have been out of reach
            border = trace_border(full, border.corners, reach=REACH * factor)
        sheet = None if border is None else _sheet_of(border, photo.shape, paper, plain * border.support)
        if border is None or sheet is None:
            continue
        place = (border.corners + 0.5) / scale - 0.5
        if is_of_one_piece(white, place):
            found.append(sheet)
            seen.append(place)
    return _largest(found, seen, white)


def _sheet_of(border: Border, shape: tuple[int, ...], paper: str, clearness: float) -> Sheet | None:
    """Take a border for a sheet if a camera would see one of the papers so."""
    corners = border.corners
    if not ((corners > 0).all() and (corners < [shape[1] - 1, shape[0] - 1]).all()):
        return None
    judged = judge_papers(corners, shape)
    best = next(one for one in judged if paper in ("auto", one.paper))
    certainty = certainty_of(judged, best.paper)
    if best.misfit > WORST or certainty < UNLIKELY:
        return None
    ordered = _upright(corners, best.first_is_long)
    long, short = PAPERS[best.paper]
    to_mm = homography(ordered, np.array([[0, 0], [long, 0], [long, short], [0, short]]))
    scale = _pixels_per_mm(np.asarray(np.linalg.inv(to_mm), np.float64), (long / 2, short / 2))
    return Sheet(ordered, best.paper, certainty, to_mm, scale, clearness)  # type: ignore[arg-type]


def _upright(corners: NDArray[np.float64], first_is_long: bool) -> NDArray[np.float64]:
    """Begin with a long side, of the two with the one that needs the smaller turn to lie on top."""
    begin = 0 if first_is_long else 1
    candidates = [np.roll(corners, -shift, axis=0) for shift in (begin, begin + 2)]
    return min(candidates, key=lambda one: abs(np.arctan2(*(one[1] - one[0])[::-1])))


def _pixels_per_mm(from_mm: NDArray[np.float64], place: tuple[float, float]) -> float:
    seen = transformed(np.array([[0, 0], [1, 0], [0, 1]]) + np.array(place), from_mm)
    (a, b), (c, d) = seen[1] - seen[0], seen[2] - seen[0]
    return float(np.sqrt(abs(a * d - b * c)))


def _largest(sheets: list[Sheet], places: list[NDArray[np.float64]], white: NDArray[np.uint8]) -> Sheet | None:
    """The largest sheet, of those that are clear, that is of one piece.

    A half of a folded sheet has the shape of the whole, hence the largest. But so have two sheets side by side, and a
    larger quadrangle may take in a strip of the table.

    Args:
        sheets: candidates.
        places: (4, 2) of each, corners in the shrunk photo.
        white: (h, w) its whiteness.
    """
    clearest = max((one.clearness for one in sheets), default=0.0)
    clear = [k for k, one in enumerate(sheets) if one.clearness > AS_CLEAR * clearest]
    clear = _distinct(clear, sheets, places)
    for k in sorted(clear, key=lambda k: -_area(places[k])):
        held = [i for i in clear if i != k and _common(places[k], places[i]) > 0.95 * _area(places[i])]
        halves = [places[i] for i in held if _is_part(sheets[k], sheets[i])]
        apart = any(_common(one, other) < 0.1 * min(_area(one), _area(other)) for one, other in combinations(halves, 2))
        if not apart and all(paper_goes_on(white, places[i], places[k]) for i in held):
            return sheets[k]
    return None


def _distinct(which: list[int], sheets: list[Sheet], places: list[NDArray[np.float64]]) -> list[int]:
    """Of sheets that nearly coincide, the clearest; of those as clear, the smallest: a stripe may run along an edge."""

    def beats(i: int, k: int) -> bool:
        clearer = sheets[i].clearness - sheets[k].clearness
        return clearer > AS_GOOD or (clearer >= -AS_GOOD and (_area(places[i]), i) < (_area(places[k]), k))

    def coincide(i: int, k: int) -> bool:
        return _common(places[k], places[i]) > COINCIDE * max(_area(places[k]), _area(places[i]))

    return [k for k in which if not any(i != k and coincide(i, k) and beats(i, k) for i in which)]


def _is_part(sheet: Sheet, other: Sheet) -> bool:
    """Whether ``other`` is at most little larger than half of ``sheet``, on the sheet's plane."""
    return _area(transformed(other.corners, sheet.to_mm)) < 0.6 * float(np.prod(sheet.size))


def _area(corners: NDArray[np.float64]) -> float:
    return float(cv2.contourArea(corners.astype(np.float32)))


def _common(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Area that two quadrangles share."""
    return float(cv2.intersectConvexConvex(one.astype(np.float32), other.astype(np.float32))[0])


def rectify(
    photo: NDArray[np.uint8], sheet: Sheet, pixels_per_mm: float
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Flatten a sheet: as a camera straight above would see it, without its outermost ``INSET``.

    Args:
        photo: (H, W, 3) RGB.
        sheet: what ``find_sheet`` found in it.
        pixels_per_mm: of the result.

    Returns:
        (h, w, 3) the flat sheet, the long side across; and the (3, 3) homography from its pixels to the photo's.
    """
    width, height = (round((side - 2 * INSET) * pixels_per_mm) for side in sheet.size)
    to_photo = flat_to_photo(sheet, pixels_per_mm)
    reduced, factor = _not_finer(photo, sheet.pixels_per_mm / pixels_per_mm)
    shrink = np.array([[1 / factor, 0, 0.5 / factor - 0.5], [0, 1 / factor, 0.5 / factor - 0.5], [0, 0, 1]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    flat = cv2.warpPerspective(
        reduced, shrink @ to_photo, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(flat, np.uint8), to_photo


def flat_to_photo(sheet: Sheet, pixels_per_mm: float) -> NDArray[np.float64]:
    """Return the (3, 3) homography from pixels of the flattened sheet to pixels of the photo."""
    inset = INSET + 0.5 / pixels_per_mm  # the centre of the first pixel
    to_mm = np.array([[1 / pixels_per_mm, 0, inset], [0, 1 / pixels_per_mm, inset], [0, 0, 1]])
    to_photo = np.linalg.inv(sheet.to_mm) @ to_mm
    return np.asarray(to_photo / to_photo[2, 2], np.float64)


def _not_finer(photo: NDArray[np.uint8], finer: float) -> tuple[NDArray[np.uint8], int]:
    """The photo, made smaller by a whole factor where it is at least twice as fine as what is made of it."""
    factor = max(1, int(finer))
    if factor == 1:
        return photo, 1
    height, width = photo.shape[0] // factor * factor, photo.shape[1] // factor * factor
    size = (width // factor, height // factor)
    return np.asarray(cv2.resize(photo[:height, :width], size, interpolation=cv2.INTER_AREA), np.uint8), factor

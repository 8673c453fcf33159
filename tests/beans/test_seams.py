"""One sheet is of one piece; a stripe of table along it, or two sheets edge to edge, are not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cafepick.beans.seams import is_of_one_piece

CORNERS = np.array([[60.0, 50], [440, 70], [420, 330], [40, 310]])


def white(*parts: tuple[list[tuple[int, int]], int]) -> np.ndarray:
    """(h, w) whiteness: paper all over, with parts painted over it."""
    canvas = np.full((380, 500), 225, np.uint8)
    for corners, level in parts:
        cv2.fillPoly(canvas, [np.array(corners, np.int32)], level)
    return cv2.GaussianBlur(canvas, (0, 0), 1.0)


BLACK_BEANS = [([(x, y), (x + 22, y), (x + 22, y + 16), (x, y + 16)], 40) for x in (100, 180, 290) for y in (120, 220)]

OF_ONE_PIECE = {
    "bare": white(),
    "beans": white(*BLACK_BEANS),
    "fold": white(([(50, 180), (430, 200), (430, 202), (50, 182)], 205)),
    "half in shadow": white(([(50, 180), (430, 200), (420, 330), (40, 310)], 200)),
}
IN_PIECES = {
    "stripe of table": white(([(60, 50), (440, 70), (438, 96), (58, 76)], 160)),
    "slanting stripe": white(([(60, 50), (440, 70), (437, 120), (60, 66)], 160)),
    "stripe on the right": white(([(440, 70), (420, 330), (400, 330), (420, 69)], 160)),
    "gap between two sheets": white(([(51, 178), (431, 198), (431, 203), (51, 183)], 90)),
}


@pytest.mark.parametrize("name", OF_ONE_PIECE)
def test_a_sheet_is_of_one_piece(name):
    assert is_of_one_piece(OF_ONE_PIECE[name], CORNERS)


@pytest.mark.parametrize("name", IN_PIECES)
def test_what_an_edge_or_gap_runs_across_is_not(name):
    assert not is_of_one_piece(IN_PIECES[name], CORNERS)

"""The border of a sheet is followed to a fraction of a pixel; what is not bordered like paper is told apart."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cafepick.beans.borders import paper_goes_on, paper_share, trace_border
from cafepick.beans.colour import to_lab
from cafepick.beans.lines import whiteness

SHEET = np.array([[90.3, 60.6], [420.2, 80.1], [400.7, 310.4], [70.5, 290.8]])
WOOD, PAPER = (120, 86, 55), (230, 228, 224)


def photo(paint=lambda canvas: canvas, *, table=WOOD, paper=PAPER) -> np.ndarray:
    """A sheet on a table; ``paint`` adds to the picture before it is photographed."""
    fine = np.full((380 * 8, 500 * 8, 3), table, np.uint8)  # a polygon is drawn half a pixel too wide all around
    cv2.fillPoly(fine, [np.rint((SHEET + 0.5) * 8 - 0.5).astype(np.int32)], paper)
    canvas = np.asarray(cv2.resize(fine, (500, 380), interpolation=cv2.INTER_AREA), np.uint8)
    canvas = cv2.GaussianBlur(paint(canvas), (0, 0), 0.8)
    return np.clip(canvas + np.random.default_rng(0).normal(0, 1.5, canvas.shape), 0, 255).astype(np.uint8)


def share(image: np.ndarray) -> float:
    return paper_share(to_lab(image), whiteness(image), SHEET)


def painted(corners, colour):
    return lambda canvas: cv2.fillPoly(canvas, [np.array(corners, np.int32)], colour)


def beans_across(canvas):
    for x, y in ((150, 64), (240, 68), (330, 74), (410, 190), (240, 300)):
        cv2.ellipse(canvas, (x, y), (12, 8), 30, 0, 360, (60, 50, 40), -1)
    return canvas


@pytest.mark.parametrize("paint", [lambda canvas: canvas, beans_across], ids=["bare", "beans across the edge"])
def test_paper_on_a_darker_table_is_bordered_like_paper(paint):
    assert share(photo(paint)) > 0.75


@pytest.mark.parametrize(
    "image",
    [
        photo(table=PAPER),
        photo(table=(250, 250, 250)),
        photo(paper=(200, 120, 60)),
        photo(paper=(60, 60, 60), table=(20, 20, 20)),
        photo(painted([(60, 40), (130, 40), (60, 110)], WOOD)),
        photo(painted([(255, 70), (430, 80), (410, 320), (240, 305)], (160, 60, 50))),
    ],
    ids=["paper all over", "paler around", "coloured", "dark", "a corner hidden", "half of another colour"],
)
def test_what_is_not_bordered_like_paper_is_told_apart(image):
    assert share(image) == 0


@pytest.mark.parametrize("off", [0.0, 2.5, -2.5])
def test_corners_are_right_to_a_fraction_of_a_pixel_whatever_the_first_guess(off):
    middle = SHEET.mean(axis=0)
    guess = SHEET + off * (SHEET - middle) / np.linalg.norm(SHEET - middle, axis=1, keepdims=True)
    border = trace_border(whiteness(photo(beans_across)), guess, reach=5.0)
    assert border is not None
    assert np.linalg.norm(border.corners - SHEET, axis=1).max() < 0.4
    assert border.support > 0.55


def test_where_no_edge_runs_there_is_no_border():
    assert trace_border(whiteness(photo()), SHEET * 0.7 + [60, 40], reach=4.0) is None


def test_paper_goes_on_beyond_a_fold_and_not_beyond_its_edge():
    upper = np.array([SHEET[0], SHEET[1], (SHEET[1] + SHEET[2]) / 2, (SHEET[0] + SHEET[3]) / 2])
    folded = photo(painted([upper[3], upper[2], SHEET[2] - 4, SHEET[3] + [4, -4]], (214, 212, 208)))
    assert paper_goes_on(whiteness(folded), upper, SHEET)
    around = SHEET + 40 * np.sign(SHEET - SHEET.mean(axis=0))
    assert not paper_goes_on(whiteness(photo()), SHEET, around)

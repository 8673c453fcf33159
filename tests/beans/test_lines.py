"""Straight edges are found where they are, and the quadrangles that four of them make."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cafepick.beans.lines import find_lines, quadrangles, whiteness

SHEET = np.array([[90.0, 60], [420, 80], [400, 310], [70, 290]])


def photo(*sheets: np.ndarray, table=70, paper=225, noise=2.0) -> np.ndarray:
    canvas = np.full((380, 500), table, np.float32)
    for corners in sheets:
        cv2.fillPoly(canvas, [np.rint(corners * 16).astype(np.int32)], paper, cv2.LINE_AA, 4)
    canvas += np.random.default_rng(0).normal(0, noise, canvas.shape)
    return np.clip(cv2.GaussianBlur(canvas, (0, 0), 0.8), 0, 255).astype(np.uint8)


def nearest(found: np.ndarray, corners: np.ndarray) -> float:
    """Largest distance of a corner, of the quadrangle that fits best."""
    turned = np.stack([np.roll(found, k, axis=1) for k in range(4)])
    return float(np.linalg.norm(turned - corners, axis=-1).max(axis=-1).min(initial=np.inf))


@pytest.mark.parametrize("angle", [0, 17, 45, 90, 133])
def test_a_sheet_on_a_table_gives_its_four_corners(angle):
    turn = cv2.getRotationMatrix2D((250, 190), angle, 0.8)
    corners = SHEET @ turn[:, :2].T + turn[:, 2]
    image = photo(corners)
    assert nearest(quadrangles(find_lines(image), image.shape), corners) < 1.5


def test_normals_point_to_the_light():
    lines = find_lines(photo(SHEET))
    middle = SHEET.mean(axis=0)
    assert (lines.normals @ middle > lines.offsets)[:4].all()
    np.testing.assert_allclose(np.linalg.norm(lines.normals, axis=1), 1)


def test_a_dark_sheet_makes_no_quadrangle():
    image = photo(SHEET, table=225, paper=70)
    assert nearest(quadrangles(find_lines(image), image.shape), SHEET) > 20


def test_both_of_two_sheets_are_among_the_quadrangles():
    small = SHEET * [0.45, 0.9]
    image = photo(small, small + np.array([240, 10]))
    found = quadrangles(find_lines(image), image.shape)
    assert nearest(found, small) < 1.5
    assert nearest(found, small + np.array([240, 10])) < 1.5


@pytest.mark.parametrize("image", [np.full((200, 300), 128, np.uint8), np.zeros((1, 1), np.uint8)], ids=["grey", "dot"])
def test_a_photo_without_edges_has_no_quadrangle(image):
    assert quadrangles(find_lines(image), image.shape).shape == (0, 4, 2)


def test_whiteness_is_low_for_dark_and_for_coloured_things():
    colours = np.array([[[255, 255, 255], [230, 180, 60], [20, 20, 20]]], np.uint8)
    assert whiteness(colours).tolist() == [[255, 60, 20]]

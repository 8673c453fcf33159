"""Twigs and straws among the beans are found; folds, the shadows of edges and hairs are not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from bean_scenes import GREEN, Scenery, missed_and_extra
from hypothesis import given, settings
from hypothesis import strategies as st

from cafepick.beans.find import find_beans
from cafepick.data.demo import draw_tray
from cafepick.jobs.match import match_outlines

BARK = (96, 72, 50)
PLACES = [(70, 70), (170, 60), (390, 80), (80, 290), (230, 300), (400, 290), (420, 180)]


def beans():
    scenery = Scenery.plain()
    for n, (x, y) in enumerate(PLACES):
        scenery.bean(x, y, GREEN, angle=n * 50)
    return scenery


def with_stick(x=240.0, y=180.0, angle=25.0, length=52.0, width=9.0):
    """Beans of 44 x 30 pixels around a stick."""
    scenery = beans()
    turn = np.radians(angle)
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    ends = [(s * length * along + t * width * across) / 2 for s, t in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    corners = np.array([x, y]) + ends
    cover = np.zeros(scenery.pixels.shape[:2], np.uint8)
    cv2.fillPoly(cover, [np.rint(corners).astype(np.int32)], 1)
    scenery.pixels[cover > 0] = BARK
    scenery.masks.append(cover > 0)
    return scenery


@settings(max_examples=12)
@given(angle=st.floats(0, 180), length=st.floats(40, 80), width=st.floats(7, 11))
def test_a_stick_is_found_as_the_beans_are(angle, length, width):
    scenery = with_stick(angle=angle, length=length, width=width)
    photo = scenery.photo()
    assert missed_and_extra(find_beans(photo).outlines, scenery.masks, photo.shape, 0.6) == (0, 0)


def test_a_stick_that_the_frame_cuts_is_not():
    """It may be the edge of something."""
    scenery = with_stick(x=315.0, y=345.0, angle=90.0, length=60.0)
    photo = scenery.photo()
    assert missed_and_extra(find_beans(photo).outlines, scenery.masks[:-1], photo.shape, 0.6) == (0, 0)


@pytest.mark.parametrize("stick", [{"width": 2.0}, {"length": 200.0}, {"length": 16.0, "width": 6.0}])
def test_hairs_long_strips_and_crumbs_are_not(stick):
    scenery = with_stick(**stick)
    photo = scenery.photo()
    assert missed_and_extra(find_beans(photo).outlines, scenery.masks[:-1], photo.shape, 0.6) == (0, 0)


def test_the_darker_part_of_a_line_that_runs_on_is_not():
    """As where the shadow of a paper's edge is deep for a stretch."""
    scenery = beans().polygon([(238, 0), (240, 0), (243, 360), (240, 360)], (186, 184, 180))
    scenery.polygon([(237, 150), (243, 150), (244, 210), (238, 210)], (60, 58, 56))
    photo = scenery.photo()
    assert missed_and_extra(find_beans(photo).outlines, scenery.masks, photo.shape, 0.6) == (0, 0)


def test_most_drawn_sticks_and_stones_are_found():
    found = wanted = 0
    for seed in range(3):
        tray = draw_tray(np.random.default_rng((31, seed)), width=900, height=700, beans=24, defects=("foreign",) * 6)
        pairs = match_outlines([one.contour for one in find_beans(tray.photo).outlines], list(tray.outlines))
        known = {pair.annotated for pair in pairs}
        foreign = [index for index, label in enumerate(tray.labels) if label == "foreign"]
        wanted += len(foreign)
        found += sum(index in known for index in foreign)
    assert found >= 0.75 * wanted

"""Grey stones are found though they pass in part for shadows; shadows are not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from bean_scenes import BLACK, GREEN, Scenery, missed_and_extra

from cafepick.beans import find
from cafepick.beans.background import estimate_background
from cafepick.beans.coarse import Coarse
from cafepick.beans.find import find_beans
from cafepick.beans.ground import Ground
from cafepick.beans.stones import add_stones
from cafepick.data.demo import DEFECTS, draw_tray
from cafepick.jobs.match import match_outlines

PLACES = [(70, 70), (170, 60), (390, 80), (80, 290), (230, 300), (400, 290), (420, 180)]


def with_stone(grey: float, rough: float) -> Scenery:
    """Beans of 44 x 30 pixels around a stone, which is lighter and darker from place to place."""
    scenery = Scenery.plain()
    for n, (x, y) in enumerate(PLACES):
        scenery.bean(x, y, GREEN if n % 2 else BLACK, angle=n * 50)
    cover = scenery._ellipse(240, 180, (21, 17), 20) > 0.5
    scenery.pixels[cover] = stony(cover.shape, grey, rough)[cover][:, np.newaxis]
    scenery.masks.append(cover)
    return scenery


def stony(shape: tuple[int, ...], grey: float, rough: float) -> np.ndarray:
    """Grey levels that vary from place to place, (h, w)."""
    noise = cv2.GaussianBlur(np.random.default_rng(2).normal(0, 1, shape), (0, 0), 2.5)
    return grey + rough * noise / noise.std()


def test_a_stone_that_passes_in_part_for_a_shadow_is_found(monkeypatch):
    scenery = with_stone(95, 28)
    photo = scenery.photo()
    assert missed_and_extra(find_beans(photo).outlines, scenery.masks, photo.shape, 0.6) == (0, 0)
    monkeypatch.setattr(find, "add_stones", lambda _ground: None)
    assert missed_and_extra(find_beans(photo).outlines, scenery.masks, photo.shape, 0.6) == (1, 0)


def test_a_stone_of_which_half_passes_for_a_shadow_is_found_whole(monkeypatch):
    scenery = with_stone(120, 28)
    photo = scenery.photo()
    assert missed_and_extra(find_beans(photo).outlines, scenery.masks, photo.shape, 0.7) == (0, 0)
    monkeypatch.setattr(Ground, "dark", lambda ground, window: np.zeros_like(ground.core[window]))
    assert missed_and_extra(find_beans(photo).outlines, scenery.masks, photo.shape, 0.7) == (1, 0)


@pytest.mark.parametrize("light", [0.75, 0.6])
def test_a_shadow_is_no_stone(light):
    scenery = Scenery.plain()
    for n, (x, y) in enumerate(PLACES):
        scenery.bean(x, y, GREEN, angle=n * 50)
    cast = cv2.GaussianBlur(scenery._ellipse(240, 180, (34, 28), 20), (0, 0), 5)
    scenery.pixels *= 1 - (1 - light) * cast[..., np.newaxis]
    photo = scenery.photo()
    assert missed_and_extra(find_beans(photo).outlines, scenery.masks, photo.shape, 0.6) == (0, 0)


@pytest.mark.parametrize(("sides", "angle", "stones"), [((20, 36), 0, 0), ((20, 36), 10, 0), ((36, 40), 0, 1)])
def test_a_stone_is_thick_whichever_way_it_lies(sides, angle, stones):
    """Half the width of a bean here is 20 pixels, so 12 to either side of its middle are thick."""
    differing = rectangle((120, 120), (60, 60), sides, angle)
    ground = ground_of(np.full((120, 120), 230, np.uint8), differing)
    add_stones(ground)
    assert len(ground.beans) == stones


@pytest.mark.parametrize(
    ("dark", "shown", "x", "stones"),
    [
        ((44, 40), (24, 26), 200, 1),  # a third of it is too dark for a shadow
        ((44, 40), (16, 16), 200, 0),  # nearly all of it may be a shadow
        ((200, 40), (20, 40), 110, 0),  # goes on beyond what is looked at
        ((130, 40), (24, 26), 200, 0),  # too long
    ],
)
def test_a_dark_thing_is_a_stone_if_compact_and_in_good_part_no_shadow(dark, shown, x, stones):
    size, middle = (160, 400), (200, 80)
    grey = np.full(size, 230, np.uint8)
    grey[rectangle(size, middle, dark) > 0] = 150
    ground = ground_of(grey, rectangle(size, (x, 80), shown))
    add_stones(ground)
    assert len(ground.beans) == stones
    if stones:
        assert np.count_nonzero(ground.labels) == pytest.approx(np.prod(dark), rel=0.1)


def rectangle(size: tuple[int, int], middle: tuple[int, int], sides: tuple[int, int], angle: float = 0) -> np.ndarray:
    """(h, w), 1 inside."""
    canvas = np.zeros(size, np.uint8)
    cv2.fillConvexPoly(canvas, np.rint(cv2.boxPoints((middle, sides, angle))).astype(np.int32), 1)
    return canvas


def ground_of(grey: np.ndarray, differing: np.ndarray) -> Ground:
    """A photo of bare paper without beans on which something differs."""
    paper = estimate_background(Coarse.of(np.full((*grey.shape, 3), (230, 229, 228), np.uint8)))
    return Ground(
        image=np.repeat(grey[..., np.newaxis], 3, axis=2),
        difference=differing * np.float32(30),
        mask=differing.astype(bool),
        core=differing,
        labels=np.zeros(grey.shape, np.int32),
        beans={},
        radius=20.0,
        background=paper,
    )


def test_nearly_all_of_drawn_trays_is_found():
    found = wanted = extra = 0
    for seed in range(4):
        defects = ("foreign",) * 6 + DEFECTS
        tray = draw_tray(np.random.default_rng((37, seed)), width=1200, height=900, beans=40, defects=defects)
        outlines = [one.contour for one in find_beans(tray.photo).outlines]
        pairs = match_outlines(outlines, list(tray.outlines))
        wanted, found, extra = wanted + len(tray.outlines), found + len(pairs), extra + len(outlines) - len(pairs)
    assert found > 0.955 * wanted  # 152 of 160 without stones
    assert extra == 0

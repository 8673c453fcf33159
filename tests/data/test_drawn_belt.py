"""Promises of the drawn belts: reproducible, and their truth is the truth."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from cafepick.beans.find import find_beans
from cafepick.data.drawing.belt import BeltCamera, DrawnBelt, draw_belt
from cafepick.errors import ConfigError

SMALL = BeltCamera(width=320, height=200, per_mm=4, fps=60)


def centres_found(photo: np.ndarray) -> np.ndarray:
    contours = [outline.contour for outline in find_beans(photo).outlines if not outline.cut]
    return np.array([(contour.min(axis=0) + contour.max(axis=0)) / 2 for contour in contours])


def whole_at(belt: DrawnBelt, seconds: float) -> np.ndarray:
    """Centres of the beans that are far enough inside the frame to be whole."""
    places = np.array([bean.at(seconds) for bean in belt.beans])
    return places[(places[:, 0] > 30) & (places[:, 0] < belt.camera.width - 30)]


def test_the_same_seed_films_the_same_belt() -> None:
    one, two = (list(islice(draw_belt(5, SMALL, beans=8).film(), 6)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert one[0].shape == (200, 320, 3)
    assert not np.array_equal(one[5], list(islice(draw_belt(6, SMALL, beans=8).film(), 6))[5])


@pytest.mark.parametrize("camera", [SMALL, BeltCamera(width=320, height=200, slant=0.1, pause=(0.03, 0.1))])
def test_beans_are_where_the_truth_says(camera: BeltCamera) -> None:
    belt = draw_belt(3, camera, beans=14, spinning=1.0, density=0.08)
    seen = 0
    for number, photo in enumerate(belt.film()):
        found = centres_found(photo)
        for place in whole_at(belt, number / camera.fps):
            seen += 1
            assert np.linalg.norm(found - place, axis=1).min() < 4, f"no bean found near {place} in frame {number}"
    assert seen > 40


def test_a_bean_leaves_the_frame_when_and_where_the_truth_says() -> None:
    for pause in (None, (0.05, 0.2)):
        for bean in draw_belt(0, BeltCamera(slant=0.05, pause=pause), beans=5).beans:
            seconds, x, y = bean.leaves()
            assert bean.at(seconds) == (x, y)
            assert x == pytest.approx(639.5, abs=1e-3)
            assert bean.at(0)[0] < 0


def test_the_film_begins_and_ends_with_an_empty_belt() -> None:
    belt = draw_belt(1, SMALL, beans=6)
    frames = list(belt.film())
    assert len(frames) == belt.frames
    assert not find_beans(frames[0]).outlines
    assert not find_beans(frames[-1]).outlines


def test_a_longer_exposure_smears_along_the_belt_only() -> None:
    frames = [
        list(islice(draw_belt(2, BeltCamera(exposure=exposure), beans=20).film(), 8))[-1].astype(float)
        for exposure in (0.0001, 0.004)
    ]
    along, down = ([float(np.abs(np.diff(frame.mean(axis=2), axis=axis)).std()) for frame in frames] for axis in (1, 0))
    assert along[1] < 0.6 * along[0]
    assert down[1] > along[1]


def test_impossible_belts_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least one bean and one for each of 2 defects"):
        draw_belt(0, beans=1, defects=("black", "sour"))
    with pytest.raises(ConfigError, match=r"density .* got 0\.5"):
        draw_belt(0, density=0.5)

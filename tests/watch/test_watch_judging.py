"""A bean is judged once, on its best views, as a photo of it would be, and the promised rate holds for beans."""

from __future__ import annotations

import threading
from dataclasses import replace

import cv2
import numpy as np
import pytest
from belt_judges import DARK, DarknessJudge
from belts import followed
from hypothesis import given
from hypothesis import strategies as st

from cafepick.beans.crop import crop_beans
from cafepick.beans.find import find_beans
from cafepick.config import CropConfig
from cafepick.data.drawing.belt import BeltCamera, DrawnBelt, draw_belt
from cafepick.detector import Detector
from cafepick.errors import CalibrationError, ConfigError, OutputError
from cafepick.types import Box, Judgement
from cafepick.watch.judge import JudgeSettings, Judging, judge_beans
from cafepick.watch.records import Bean, Frame, Result, View
from cafepick.watch.run import Watch, check_promise
from cafepick.watch.spot import spot
from cafepick.watch.truth import compare
from cafepick.watch.views import best_views, combine, keep_best

CAMERA = BeltCamera(width=400, height=240)


@pytest.fixture(scope="module")
def belt() -> DrawnBelt:
    """A belt with black beans among good ones."""
    return draw_belt(21, CAMERA, beans=40, defects=("black",) * 8)


@pytest.fixture(scope="module")
def beans(belt: DrawnBelt) -> list[Bean]:
    """What the tracker makes of it."""
    return followed(belt)


def view(frame: int, *, area: float = 100.0, sharpness: float = 1.0) -> View:
    empty = np.zeros((1, 1, 3), np.uint8)
    return View(
        empty, np.zeros((4, 2), np.float32), np.zeros(3, np.float32), Box(0, 0, 1, 1), frame, 0, area, sharpness
    )


def test_black_beans_are_found_among_good_ones(belt: DrawnBelt, beans: list[Bean]) -> None:
    results = judge_beans(DarknessJudge(), beans, JudgeSettings(false_reject=0.05))
    found = compare(belt, results)
    assert (found.times == 1).all()
    bad = compare(belt, [result for result in results if result.judgement is Judgement.NG])
    assert [path.label == "black" for path in belt.beans] == (bad.times == 1).tolist()


@pytest.mark.parametrize("scale", ["relative", "fixed"])
def test_a_view_is_cropped_as_from_the_whole_frame(belt: DrawnBelt, scale: str) -> None:
    photo = list(belt.film())[belt.frames // 2]
    judge = DarknessJudge()
    judge.crop = CropConfig(size=32, scale=scale, zoom=20.0 if scale == "relative" else 0.7)  # type: ignore[arg-type]
    scene = find_beans(photo)
    crops = [crop.image for crop in crop_beans(photo, scene, judge.crop) if crop is not None]
    seen = [sighting for sighting in spot(Frame(0, 0.0, 0.0, photo)).sightings if sighting.view]
    unit = float(np.sqrt(np.median([sighting.area for sighting in seen])))
    lonely = [Bean(1, (one.view,), unit, one.view.box, 1, 0.0, 0.0, (0.0, 0.0), None) for one in seen if one.view]
    judge_beans(judge, lonely, JudgeSettings())
    assert len(judge.seen) == len(crops) >= 8
    for mine, whole in zip(judge.seen, crops, strict=True):
        assert np.abs(mine.astype(int) - whole).max() <= 3  # interpolation is exact to a 32nd of a pixel


def test_on_a_dark_belt_light_is_not_balanced_either(belt: DrawnBelt) -> None:
    photo = (list(belt.film())[belt.frames // 2] * 0.3).astype(np.uint8)
    sightings = [sighting for sighting in spot(Frame(0, 0.0, 0.0, photo)).sightings if sighting.view]
    assert sightings
    assert all(one.view is not None and not one.view.surface.any() for one in sightings)


def test_blurred_views_are_passed_over(belt: DrawnBelt) -> None:
    photos = list(belt.film())
    middle = belt.frames // 2
    sharp = spot(Frame(0, 0.0, 0.0, photos[middle])).sightings
    soft = spot(Frame(1, 0.0, 0.0, np.asarray(cv2.GaussianBlur(photos[middle], (0, 0), 1.5), np.uint8))).sightings
    pairs = [
        (one.view, other.view)
        for one in sharp
        for other in soft
        if one.view and other.view and np.linalg.norm(one.centre - other.centre) < 2
    ]
    assert len(pairs) > 5
    assert all(best_views(pair[::-1], 1) == (pair[0],) for pair in pairs)


def test_a_view_of_an_odd_size_comes_last_however_sharp() -> None:
    views = [view(0), view(1, area=190, sharpness=9), view(2, sharpness=2), view(3, area=104, sharpness=3)]
    assert [one.frame for one in best_views(views, 4)] == [3, 2, 0, 1]
    assert [one.frame for one in best_views(views, 2)] == [3, 2]


def test_memory_of_a_slow_belt_stays_small() -> None:
    views: list[View] = []
    for frame in range(500):
        views = keep_best([*views, view(frame, sharpness=frame % 100)], 3)
    assert len(views) == 7
    assert {one.sharpness for one in views} <= set(range(97, 100))


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=6))
def test_all_views_must_agree_or_one_condemns_at_a_stricter_rate(p_values: list[float]) -> None:
    together, one = combine(p_values, "all"), combine(p_values, "any")
    assert together.p_value == max(p_values) == p_values[together.deciding]
    assert one.p_value == min(1.0, len(p_values) * min(p_values))
    assert p_values[one.deciding] == min(p_values)


@pytest.mark.parametrize("agreement", ["all", "any"])
@pytest.mark.parametrize("shared", [0.0, 0.7, 1.0])
def test_good_beans_are_rejected_no_more_often_than_promised(agreement: str, shared: float) -> None:
    rng = np.random.default_rng(0)
    common, own = rng.standard_normal((4000, 1)), rng.standard_normal((4000, 3))
    scores = np.sqrt(shared) * common + np.sqrt(1 - shared) * own  # each view of a good bean, correlated
    rank = np.argsort(np.argsort(-scores.ravel())).reshape(scores.shape)
    p_values = (rank + 1) / scores.size
    rejected = np.mean([combine(tuple(row), agreement).p_value <= 0.1 for row in p_values])  # type: ignore[arg-type]
    assert rejected <= 0.105
    assert rejected > 0


def test_a_bean_that_was_never_whole_is_cut(beans: list[Bean]) -> None:
    (result,) = judge_beans(DarknessJudge(), [replace(beans[0], views=())], JudgeSettings())
    assert (result.judgement, result.p_value, result.score, result.frame) == (Judgement.CUT, None, None, None)


def test_of_a_live_source_the_exit_is_told_by_the_clock_and_late_verdicts_are_known(beans: list[Bean]) -> None:
    import time

    now = time.monotonic()
    early, late = (replace(beans[0], captured=now + away) for away in (10, -10))
    results = judge_beans(DarknessJudge(), [early, late], JudgeSettings(live=True))
    assert [result.in_time for result in results] == [True, False]
    assert beans[0].leaves is not None
    ahead = beans[0].leaves.seconds - beans[0].seconds
    assert results[0].leaves_unix == pytest.approx(time.time() + 10 + ahead, abs=1)
    (offline,) = judge_beans(DarknessJudge(), [early], JudgeSettings())
    assert (offline.in_time, offline.leaves_unix) == (None, None)


def test_beans_wait_for_the_judge_and_none_is_lost(beans: list[Bean], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cafepick.watch.judge.MOST_WAITING", 4)
    results: list[Result] = []
    judging = Judging(DarknessJudge(), JudgeSettings(), results.append)
    for bean in beans:
        judging.put([bean])
    judging.close()
    assert [result.bean for result in results] == [bean.bean for bean in beans]
    assert {result.p_value for result in results} == {DARK, 0.5}


def test_what_delivering_raises_reaches_the_caller(beans: list[Bean]) -> None:
    full = threading.Event()

    def deliver(_: Result) -> None:
        full.set()
        raise OutputError("the disk is full")

    judging = Judging(DarknessJudge(), JudgeSettings(), deliver)
    judging.put(beans[:1])
    assert full.wait(10)
    with pytest.raises(OutputError, match="the disk is full"):
        judging.close()


def test_promises_that_cannot_be_kept_are_refused_before_work(tiny_detector: Detector) -> None:
    check_promise(tiny_detector, Watch(judging=JudgeSettings(false_reject=0.02)))
    with pytest.raises(CalibrationError, match="needs at least 149 good subjects"):
        check_promise(tiny_detector, Watch(judging=JudgeSettings(false_reject=0.02, agreement="any")))
    bare = Detector(tiny_detector.networks, crop=tiny_detector.crop, search=tiny_detector.search)
    with pytest.raises(CalibrationError, match=r"run  cafepick calibrate GOOD_PHOTOS --model MODEL"):
        check_promise(bare, Watch())
    whole = Detector(tiny_detector.networks, crop=CropConfig(subject="whole", size=32), search=tiny_detector.search)
    with pytest.raises(ConfigError, match="judges whole photos"):
        check_promise(whole, Watch())

"""Every bean of a belt is handed on once, and where and when it leaves is foreseen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from belts import followed, frames_of, times_seen

from cafepick.data.drawing.belt import BeltCamera, draw_belt
from cafepick.errors import ConfigError
from cafepick.watch.records import Bean, Frame
from cafepick.watch.spot import spot
from cafepick.watch.tracker import Tracker, TrackSettings
from cafepick.watch.truth import compare

DEFECTS = ("black", "broken", "insect", "sour", "immature", "mould")
SMALL = BeltCamera(width=400, height=240)
SLOW = BeltCamera(width=300, height=240, speed=0.3)


@pytest.mark.parametrize(
    ("camera", "options", "dropped"),
    [
        (SMALL, {"touching": 0.5, "density": 0.18}, 0.0),
        (BeltCamera(width=400, height=240, fps=120, slant=0.03), {"spinning": 1.0}, 0.3),
    ],
    ids=["60 fps, touching", "120 fps, slant, turning, a third dropped"],
)
def test_at_one_metre_a_second_every_bean_is_handed_on_once(
    camera: BeltCamera, options: dict[str, float], dropped: float
) -> None:
    belt = draw_belt(11, camera, beans=70, defects=DEFECTS, **options)  # type: ignore[arg-type]
    found = compare(belt, followed(belt, dropped=dropped))
    assert (found.times == 1).mean() >= 0.99, f"missed or repeated: {np.flatnonzero(found.times != 1)}"
    assert found.strays == 0
    assert np.sqrt(np.mean(np.square(found.seconds))) < 0.001, "a millisecond is a millimetre here"
    assert np.sqrt(np.mean(np.square(found.places))) < 2


def test_the_uncertainty_of_the_exit_is_neither_boast_nor_excuse() -> None:
    belt = draw_belt(4, BeltCamera(width=400, height=240, fps=120), beans=60)
    found = compare(belt, followed(belt))
    for errors, sds in (
        (found.seconds, [leaves.seconds_sd for leaves in found.exits]),
        (found.places, [leaves.place_sd for leaves in found.exits]),
    ):
        assert 0.2 < np.sqrt(np.mean(np.square(errors / np.array(sds)))) < 2.5


def test_few_beans_on_a_wide_belt_are_followed_too() -> None:
    belt = draw_belt(2, SMALL, beans=10, density=0.015)
    found = compare(belt, followed(belt))
    assert (found.times == 1).all()
    assert found.strays == 0


def test_a_belt_that_stops_and_goes_on_repeats_no_bean() -> None:
    belt = draw_belt(5, BeltCamera(width=400, height=240, pause=(0.2, 0.45)), beans=50)
    beans = followed(belt)
    assert len(beans) == 50
    assert [bean.bean for bean in beans] == list(range(1, 51))
    after = [bean for bean in beans if bean.seconds > 0.5]
    assert (compare(belt, after).times == 1).sum() == len(after) >= 20


def test_beans_that_lie_still_are_judged_at_once_and_leave_nowhere() -> None:
    belt = draw_belt(3, SMALL, beans=30)
    photo = list(belt.film())[belt.frames // 2]
    tracker = Tracker(TrackSettings(views=2))
    handed_on = [tracker.add(spot(Frame(n, n / 30, 0.0, photo))) for n in range(20)]
    whole = sum(sighting.view is not None for sighting in spot(Frame(0, 0.0, 0.0, photo)).sightings)
    beans = [bean for some in handed_on for bean in some]
    assert len(beans) == whole > 10
    assert all(bean.leaves is None and len(bean.views) == 2 for bean in beans)
    cut = tracker.finish()
    assert all(not bean.views for bean in cut), "what the frame cuts all the time has no view to judge"


def test_a_speck_on_the_lens_is_no_bean_of_the_belt() -> None:
    belt = draw_belt(6, SMALL, beans=40)
    tracker, beans = Tracker(), []
    for frame in frames_of(belt):
        frame.photo[100:132, 200:226] = (60, 50, 40)
        beans += tracker.add(spot(frame))
    found = compare(belt, beans + tracker.finish())
    assert (found.times == 1).sum() >= 37  # a bean may pass below the speck
    assert found.strays == 0


def test_with_a_lead_beans_are_handed_on_earlier() -> None:
    belt = draw_belt(7, SLOW, beans=25)
    left = {
        lead: [bean.leaves.seconds - bean.seconds for bean in followed(belt, TrackSettings(lead=lead)) if bean.leaves]
        for lead in (0.0, 0.1)
    }
    assert min(left[0.1]) > 0.1
    assert max(left[0.0]) < 0.06


@pytest.mark.parametrize("lead", [0.4, 10.0])
def test_no_bean_is_lost_if_the_lead_is_longer_than_it_is_in_view(lead: float) -> None:
    belt = draw_belt(7, BeltCamera(width=300, height=240, speed=0.3, fps=120), beans=16)
    tracker = Tracker(TrackSettings(lead=lead))
    beans = [bean for frame in frames_of(belt) for bean in tracker.add(spot(frame))] + tracker.finish()
    found = compare(belt, beans)
    assert (found.times == 1).all()
    assert (found.strays, tracker.ghosts) == (0, 0)
    left = [bean.leaves.seconds - bean.seconds for bean in beans if bean.leaves]
    assert np.median(left) > 0.15, "judged as soon as it is steady"


def test_the_ejector_may_stand_behind_the_edge() -> None:
    belt = draw_belt(8, SMALL, beans=20)
    at_the_edge, behind = ([b.leaves for b in followed(belt, TrackSettings(beyond=px)) if b.leaves] for px in (0, 400))
    assert len(at_the_edge) == len(behind) == 20
    for one, other in zip(at_the_edge, behind, strict=True):
        assert other.seconds - one.seconds == pytest.approx(0.1, abs=0.002)  # 400 pixels at 4,000 a second
        assert other.seconds_sd >= one.seconds_sd
        assert other.x == 799.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lead": math.nan}, "--lead is a number of seconds, 0 or more, got nan"),
        ({"lead": math.inf}, "0 or more, got inf"),
        ({"lead": -0.1}, "0 or more, got -0.1"),
        ({"beyond": math.nan}, "--beyond is a number of pixels, .* got nan"),
        ({"beyond": -math.inf}, "--beyond .* got -inf"),
    ],
)
def test_an_ejector_that_is_nowhere_is_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrackSettings(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_the_belt_may_run_in_any_direction(turns: int) -> None:
    belt = draw_belt(9, SMALL, beans=25)
    tracker, beans = Tracker(), list[Bean]()
    for frame in frames_of(belt):
        photo = np.ascontiguousarray(np.rot90(frame.photo, turns))
        beans += tracker.add(spot(Frame(frame.number, frame.seconds, 0.0, photo)))
    beans += tracker.finish()
    assert len(beans) == 25
    edge = {1: ("y", -0.5), 2: ("x", -0.5), 3: ("y", 399.5)}[turns]
    assert all(bean.leaves and getattr(bean.leaves, edge[0]) == edge[1] for bean in beans)


def late_by_chance(taken: np.ndarray) -> np.ndarray:
    """A clock that is late by 3 ms for most frames: 12 pixels of the belt's way."""
    return taken + np.abs(np.random.default_rng(0).normal(0, 0.004, len(taken)))


def late_in_heaps(taken: np.ndarray) -> np.ndarray:
    """Now and then five frames wait in the network, and then come at once."""
    for first in range(12, len(taken) - 5, 25):
        taken[first : first + 5] = taken[first + 5]
    return taken


@pytest.mark.parametrize("clock", [late_by_chance, late_in_heaps])
def test_a_clock_that_is_late_repeats_no_bean_and_loses_none(clock: Callable[[np.ndarray], np.ndarray]) -> None:
    belt = draw_belt(11, BeltCamera(width=400, height=240), beans=70)
    frames = list(frames_of(belt))
    times = np.maximum.accumulate(clock(np.array([frame.seconds for frame in frames])))
    tracker, beans = Tracker(), list[Bean]()
    for frame, seconds in zip(frames, times + np.arange(len(frames)) * 1e-6, strict=True):
        beans += tracker.add(replace(spot(frame), seconds=float(seconds)))
    beans += tracker.finish()
    assert len(beans) == 70
    assert np.mean(np.array(times_seen(belt, beans)) == 1) >= 0.97, "two beans may be taken for each other"

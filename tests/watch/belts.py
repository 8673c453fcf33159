"""Drawn belts for the tests of watching: run them through the tracker."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from cafepick.data.drawing.belt import DrawnBelt
from cafepick.watch.records import Bean, Frame
from cafepick.watch.spot import spot
from cafepick.watch.tracker import Tracker, TrackSettings


def frames_of(belt: DrawnBelt, *, dropped: float = 0.0) -> Iterable[Frame]:
    """The frames of a belt, less a random share of them."""
    rng = np.random.default_rng(0)
    for number, photo in enumerate(belt.film()):
        if rng.random() >= dropped:
            yield Frame(number, number / belt.camera.fps, 0.0, photo)


def followed(belt: DrawnBelt, settings: TrackSettings | None = None, *, dropped: float = 0.0) -> list[Bean]:
    """Every bean that a tracker makes of a belt."""
    tracker = Tracker(settings)
    beans = [bean for frame in frames_of(belt, dropped=dropped) for bean in tracker.add(spot(frame))]
    return beans + tracker.finish()


def times_seen(belt: DrawnBelt, beans: Iterable[Bean]) -> list[int]:
    """How often each true bean was handed on, told by where its best view shows it; clocks do not matter."""
    times = [0] * len(belt.beans)
    for bean in beans:
        box, seconds = bean.views[0].box, bean.views[0].frame / belt.camera.fps
        middle = (box.x + box.width / 2, box.y + box.height / 2)
        away = [math.dist(path.at(seconds), middle) for path in belt.beans]
        assert min(away) < 12, f"bean {bean.bean} is none of the true ones"
        times[away.index(min(away))] += 1
    return times

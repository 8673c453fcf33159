"""Drawn belts for the tests of watching: run them through the tracker."""

from __future__ import annotations

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

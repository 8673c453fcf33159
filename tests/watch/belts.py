"""Drawn belts for the tests of watching: run them through the tracker, and compare with the truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cafepick.data.drawing.belt import DrawnBelt
from cafepick.watch.records import Bean, Exit, Frame, Result
from cafepick.watch.spot import spot
from cafepick.watch.tracker import Tracker, TrackSettings

NEAR = 15.0
"""A bean that is foreseen to cross the line within so many pixels of where a true one does is that one."""


@dataclass(frozen=True)
class Found:
    """How often each true bean was reported, and how well its exit was foreseen."""

    times: np.ndarray
    """(beans,) reports of each true bean."""
    strays: int
    """Reports of no true bean."""
    seconds: np.ndarray
    """(n,) error of the foreseen time."""
    places: np.ndarray
    """(n,) error of the foreseen place, pixels."""
    exits: tuple[Exit, ...]


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


def compare(belt: DrawnBelt, reports: Iterable[Bean] | Iterable[Result]) -> Found:
    """Give each report to the true bean whose exit is the nearest."""
    truth = np.array([bean.leaves() for bean in belt.beans])  # (n, 3) seconds, x, y
    times, strays, errors, exits = np.zeros(len(truth), int), 0, [], []
    for report in reports:
        leaves = report.leaves
        if leaves is None:
            strays += 1
            continue
        along = (truth[:, 0] - leaves.seconds) * belt.camera.velocity
        away = np.hypot(along, truth[:, 2] - leaves.y)
        nearest = int(away.argmin())
        if away[nearest] > NEAR:
            strays += 1
            continue
        times[nearest] += 1
        errors.append((leaves.seconds - truth[nearest, 0], leaves.y - truth[nearest, 2]))
        exits.append(leaves)
    seconds, places = np.array(errors).reshape(-1, 2).T
    return Found(times, strays, seconds, places, tuple(exits))

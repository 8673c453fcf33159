"""How fast the belt runs, from frames alone: every bean moves alike, so the right velocity gets the most votes.

Between two frames a bean may move by more than its own length, so nothing says at first which bean of the one frame is
which bean of the other. Each pair of beans that look alike votes for the velocity that would make them the same bean.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cafepick.watch.records import Spotted

WINDOW: Final = 12
"""Pairs of frames whose votes count."""
EARLY: Final = 0.5
"""A frame that comes after a smaller share of the usual time has waited somewhere, and its time says nothing."""
CELL: Final = 0.25
"""Velocities that differ by less than this share of a bean's size from frame to frame are the same."""
ENOUGH: Final = 3.0
"""Votes that the winner needs; a pair of beans that look exactly alike is one vote."""
AHEAD: Final = 1.7
"""So many times the votes of the next velocity, too."""


class SpeedVote:
    """Votes of the recent pairs of frames."""

    def __init__(self) -> None:
        self._votes: deque[tuple[NDArray[np.float64], NDArray[np.float64], float]] = deque(maxlen=WINDOW)
        self._intervals: deque[float] = deque(maxlen=WINDOW)

    def clear(self) -> None:
        """Forget all votes: the belt has changed its speed."""
        self._votes.clear()

    def add(self, before: Spotted, after: Spotted, size: float) -> None:
        """Let each pair of beans of two frames vote.

        Args:
            before: the earlier frame.
            after: the later frame.
            size: of a typical bean, pixels.
        """
        interval = after.seconds - before.seconds
        self._intervals.append(interval)
        if interval < EARLY * float(np.median(self._intervals)) or interval <= 0:
            return
        if not before.sightings or not after.sightings:
            return
        centres, looks = (
            [np.array([getattr(one, name) for one in frame.sightings]) for frame in (before, after)]
            for name in ("centre", "looks")
        )
        moves = (centres[1][None] - centres[0][:, None]).reshape(-1, 2)  # (pairs, 2) pixels
        unlike = np.square(looks[1][None] - looks[0][:, None]).sum(axis=2).ravel()
        weights = np.exp(-unlike / 2)
        kept = weights > 0.01
        if kept.any():
            self._votes.append((moves[kept] / interval, weights[kept], CELL * size / interval))

    def best(self, *, sure: bool = True) -> NDArray[np.float64] | None:
        """Return the velocity with the most votes, (2,) pixels a second.

        Args:
            sure: only if it has enough of them, and many more than any other.
        """
        if not self._votes:
            return None
        velocities = np.concatenate([vote[0] for vote in self._votes])
        weights = np.concatenate([vote[1] for vote in self._votes])
        cell = max(vote[2] for vote in self._votes)
        low = velocities.min(axis=0) - 2 * cell
        grid = np.zeros(((velocities.max(axis=0) - low) / cell).astype(int) + 4)
        cells = ((velocities - low) / cell).astype(int)
        np.add.at(grid, tuple(cells.T), weights)
        # votes of each cell and its neighbours, so that no border divides them
        total = np.asarray(cv2.boxFilter(grid, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT))
        winner = np.array(np.unravel_index(total.argmax(), total.shape))
        near = np.abs(cells - winner).max(axis=1) <= 1
        most = float(total.max())
        others = np.where(_beyond(total.shape, winner, 2), total, 0).max()
        if sure and (most < ENOUGH or most < AHEAD * others):
            return None
        return np.average(velocities[near], axis=0, weights=weights[near])


def _beyond(shape: tuple[int, ...], place: NDArray[np.intp], steps: int) -> NDArray[np.bool_]:
    """(h, w) True on the cells that are more than so many steps from a place."""
    rows, columns = np.abs(np.arange(shape[0]) - place[0]), np.abs(np.arange(shape[1]) - place[1])
    return np.maximum(rows[:, None], columns[None]) > steps

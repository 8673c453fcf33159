"""Reports against the truth of a drawn belt: was every bean reported once, and how well was its exit foreseen?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from cafepick.data.drawing.belt import DrawnBelt
    from cafepick.watch.records import Bean, Exit, Result

NEAR: Final = 15.0
"""A bean that is foreseen to cross the line within so many pixels of where a true one does is that one."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """How often each true bean was reported, and how well its exit was foreseen."""

    times: NDArray[np.int64]
    """(beans,) reports of each true bean."""
    strays: int
    """Reports of no true bean."""
    which: NDArray[np.int64]
    """(n,) the true bean of each report that is no stray."""
    seconds: NDArray[np.float64]
    """(n,) error of the foreseen time."""
    places: NDArray[np.float64]
    """(n,) error of the foreseen place along the line, pixels."""
    exits: tuple[Exit, ...]
    """What was foreseen, with its uncertainty, in the same order."""

    @property
    def once(self) -> float:
        """Share of the beans that were reported exactly once."""
        return float(np.mean(self.times == 1))


def compare(belt: DrawnBelt, reports: Iterable[Bean] | Iterable[Result]) -> Comparison:
    """Give each report to the true bean whose exit is the nearest.

    A report without an exit, or far from every true one, is a stray.
    """
    truth = np.array([bean.leaves() for bean in belt.beans])  # (n, 3) seconds, x, y
    times, strays, exits = np.zeros(len(truth), np.int64), 0, []
    which: list[int] = []
    errors: list[tuple[float, float]] = []
    for report in reports:
        leaves = report.leaves
        if leaves is None:
            strays += 1
            continue
        along = (truth[:, 0] - leaves.seconds) * belt.camera.velocity
        nearest = int(np.argmin(np.hypot(along, truth[:, 2] - leaves.y)))
        if np.hypot(along[nearest], truth[nearest, 2] - leaves.y) > NEAR:
            strays += 1
            continue
        times[nearest] += 1
        which.append(nearest)
        errors.append((leaves.seconds - truth[nearest, 0], leaves.y - truth[nearest, 2]))
        exits.append(leaves)
    seconds, places = np.array(errors, np.float64).reshape(-1, 2).T
    return Comparison(times, strays, np.array(which, np.int64), seconds, places, tuple(exits))

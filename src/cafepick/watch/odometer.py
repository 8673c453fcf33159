"""How far the belt has run from one frame to the next, told from the beans themselves.

A camera's clock may be late: by milliseconds for most of them, by much more for frames that wait for a network. At
1 m/s a bean moves by half its length in 5 ms, so a bean that is looked for where the clock says may not be found. But
all beans are off by the same way, so the way that brings most of them home is how far the belt has really run.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LATEST: Final = 0.25
"""Seconds by which a clock may be wrong; what is further off is another speed."""
PULL: Final = 0.5
"""Share of its weight that a way loses that is as far as it may be from what the clock says."""
SLIPS: Final = 8
"""So many frames tell whether the belt has changed its speed..."""
SLOWER: Final = 0.1
"""...by more than this share, and more than the clock's errors explain."""
JOLT: Final = 0.015
"""Seconds that a clock must be late from one frame to the next to be corrected: smaller errors even out..."""
LATE: Final = 0.005
"""...until it is late by less than this."""
LEAK: Final = 0.02
"""Share of what the clock is late by that is forgotten with each frame, for the belt's speed is not known exactly."""


class Reading(NamedTuple):
    """What one frame says of the way and the clock."""

    run: NDArray[np.float64]
    """(2,) how far the belt has run since the frame before, pixels."""
    passed: float
    """Seconds since the frame before, by the camera's clock..."""
    slip: float
    """...and how many of them too many for that way."""


class Odometer:
    """How far the belt has run since the beginning, and how late the camera's clock is."""

    def __init__(self) -> None:
        self.travel = np.zeros(2)
        """(2,) pixels."""
        self.late = 0.0
        """Seconds by which the time of the latest frame is too late to be taken as it is; too early if negative."""
        self._slips: deque[Reading] = deque(maxlen=SLIPS)

    def accept(self, reading: Reading) -> None:
        """Go on by what a frame says."""
        self.travel = self.travel + reading.run
        if self.late or abs(reading.slip) > JOLT:
            late = (self.late + reading.slip) * (1 - LEAK)
            self.late = late if abs(late) > LATE else 0.0
        self._slips.append(reading)

    def forget(self) -> None:
        """Begin anew with the clock: the belt has changed its speed."""
        self.late = 0.0
        self._slips.clear()

    @property
    def clock_error(self) -> float:
        """Standard deviation of the time of a frame, seconds."""
        return float(np.std([reading.slip for reading in self._slips])) / math.sqrt(2) if self._slips else 0.0

    def runs_otherwise(self) -> bool:
        """Whether the belt runs at another speed than is believed, and not only by a clock that is early and late."""
        if len(self._slips) < SLIPS:
            return False
        passed = sum(reading.passed for reading in self._slips)
        slips = np.array([reading.slip for reading in self._slips])
        return abs(float(slips.sum())) > SLOWER * passed + 4 * float(slips.std())


def way(
    expected: NDArray[np.float64],
    found: NDArray[np.float64],
    alike: NDArray[np.float64],
    *,
    step: NDArray[np.float64],
    speed: float,
    reach: float,
) -> NDArray[np.float64]:
    """Return how far the belt has run.

    Args:
        expected: (n, 2) where the beans ought to be if the clock is right, pixels.
        found: (m, 2) where beans were found.
        alike: (n, m) how alike they look, in [0, 1].
        step: (2,) how far the belt has run by the clock.
        speed: of the belt, pixels a second.
        reach: pixels within which a bean is taken for the expected one.

    Returns:
        (2,) pixels, along ``step`` and not against it.
    """
    length = float(np.linalg.norm(step))
    if not length or not expected.size or not found.size:
        return step
    heading = step / length
    off = found[None] - expected[:, None]  # (n, m, 2)
    along, across = off @ heading, off @ np.array([-heading[1], heading[0]])
    limit = LATEST * speed
    near = (np.abs(across) < reach) & (along > -min(length, limit) - reach) & (along < limit) & (alike > 0.05)
    if not near.any():
        return step
    who = np.nonzero(near)[0]
    along, weight = along[near], (alike * (1 - (across / reach) ** 2))[near]
    candidates = np.append(along, 0.0)
    closeness = np.maximum(1 - ((along[None] - candidates[:, None]) / reach) ** 2, 0) * weight  # (c, pairs)
    votes = np.zeros((len(candidates), len(expected)))
    for index, bean in enumerate(who):  # a bean that resembles several has one vote
        votes[:, bean] = np.maximum(votes[:, bean], closeness[:, index])
    best = int(np.argmax(votes.sum(axis=1) * (1 - PULL * np.minimum(np.abs(candidates) / limit, 1))))
    mean = float(closeness[best] @ along / closeness[best].sum()) if closeness[best].any() else 0.0
    return step + heading * max(mean, -length)

r"""A bean's straight path at constant speed, with its uncertainty, and where it meets the line of the ejector.

Along each axis a sighting at time t measures $p + v (t - \bar t)$ with noise of variance $\sigma^2$, and the belt says
beforehand that $v \sim N(v_b, \tau^2)$. Bayesian linear regression (Bishop, Pattern Recognition and Machine Learning,
2006, section 3.3) with $S = \sum (t_k - \bar t)^2$ gives

$$v = \frac{\sum (t_k - \bar t) p_k / \sigma^2 + v_b / \tau^2}{S / \sigma^2 + 1 / \tau^2}, \qquad
\operatorname{var} v = \frac{1}{S / \sigma^2 + 1 / \tau^2}, \qquad \operatorname{var} p = \frac{\sigma^2}{n}.$$
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cafepick.watch.records import Exit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEAST_NOISE: Final = 0.3
"""Standard deviation of a bean's place in one frame, pixels: no outline is more exact."""
FIRST_NOISE: Final = 1.5
"""The same before there is anything to tell it from."""
LEAST_SPREAD: Final = 0.002
"""Standard deviation of the beans' velocities among each other, as a share of the belt's speed: at least..."""
FIRST_SPREAD: Final = 0.02
"""...and before there is anything to tell it from."""
SLOWEST: Final = 0.02
"""A belt that moves a bean by less than this share of its size from frame to frame stands still."""


@dataclass
class Sums:
    """What a straight line through sightings needs of them; times count from the first one."""

    start: float = 0.0
    origin: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    """Where the first one was."""
    count: int = 0
    time: float = 0.0
    time_squared: float = 0.0
    place: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    place_squared: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    product: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))

    def add(self, seconds: float, place: NDArray[np.float64]) -> None:
        """Take in one sighting."""
        if not self.count:
            self.start = seconds
            self.origin = place.copy()  # sums about a near point keep their digits
        time, moved = seconds - self.start, place - self.origin
        self.count += 1
        self.time += time
        self.time_squared += time * time
        self.place = self.place + moved
        self.place_squared = self.place_squared + moved * moved
        self.product = self.product + time * moved

    @property
    def spread(self) -> float:
        r"""$S$, seconds squared."""
        return max(self.time_squared - self.time**2 / self.count, 0.0) if self.count else 0.0

    @property
    def lean(self) -> NDArray[np.float64]:
        r"""(2,) $\sum (t_k - \bar t) p_k$."""
        return self.product - self.time * self.place / self.count

    def line(self) -> Line:
        """Return the best straight line; only for three or more sightings at different times."""
        velocity = self.lean / self.spread
        around = self.place_squared - self.place**2 / self.count
        return Line(self.spread, velocity, np.maximum(around - self.lean * velocity, 0), self.count - 2)

    @property
    def is_line(self) -> bool:
        """Whether there is a best straight line and something left to tell the noise from."""
        return self.count >= 3 and self.spread > 0


class Line(NamedTuple):
    """The best straight line through the sightings of a bean."""

    spread: float
    r"""$S$, seconds squared."""
    velocity: NDArray[np.float64]
    """(2,) pixels a second."""
    misfit: NDArray[np.float64]
    """(2,) sum of the squared distances from it, pixels squared."""
    freedom: int
    """Sightings less two."""


@dataclass(frozen=True, eq=False)
class Belt:
    """What is known of the movement of all beans together, along x and y."""

    velocity: NDArray[np.float64]
    """(2,) pixels a second."""
    spread: NDArray[np.float64]
    """(2,) standard deviation of a bean's velocity about it."""
    noise: NDArray[np.float64]
    """(2,) standard deviation of a bean's place in one frame, pixels."""

    @classmethod
    def of(cls, velocity: NDArray[np.float64]) -> Belt:
        """Return what is known when nothing but the velocity is."""
        spread = max(FIRST_SPREAD * float(np.linalg.norm(velocity)), 1.0)
        return cls(velocity, np.full(2, spread), np.full(2, FIRST_NOISE))

    def refined(self, lines: Sequence[Line]) -> Belt:
        """Return what the paths of beans say, if they are enough: velocity, its spread, and the noise."""
        freedom = sum(line.freedom for line in lines)
        if freedom < 4:
            return self
        noise = np.sqrt(np.sum([line.misfit for line in lines], axis=0) / freedom)
        noise = np.maximum(noise, LEAST_NOISE)
        weights = np.array([line.spread for line in lines])
        own = np.array([line.velocity for line in lines])  # (n, 2)
        velocity = weights @ own / weights.sum()
        between = weights @ np.square(own - velocity) / weights.sum()
        chance = noise**2 * len(lines) / weights.sum()  # what the noise alone would spread them by
        least = max(LEAST_SPREAD * float(np.linalg.norm(velocity)), 0.1)
        return Belt(velocity, np.sqrt(np.maximum(between - chance, least**2)), noise)

    def timed_by(self, clock_error: float) -> Belt:
        """Return what is known if a frame's time is uncertain by that standard deviation, seconds."""
        return replace(self, noise=np.maximum(self.noise, np.abs(self.velocity) * clock_error))

    def stands_still(self, size: float, interval: float) -> bool:
        """Whether a bean of that size hardly moves from frame to frame."""
        return float(np.linalg.norm(self.velocity)) * interval < SLOWEST * size


@dataclass(frozen=True, eq=False)
class Motion:
    """A bean's path: straight, at constant speed."""

    seconds: float
    """Mean time of its sightings."""
    place: NDArray[np.float64]
    """(2,) where it was then."""
    place_sd: NDArray[np.float64]
    velocity: NDArray[np.float64]
    velocity_sd: NDArray[np.float64]

    @classmethod
    def fit(cls, path: Sums, belt: Belt) -> Motion:
        """Fit the path of a bean that was seen at least once."""
        precision = path.spread / belt.noise**2 + 1 / belt.spread**2
        velocity = (path.lean / belt.noise**2 + belt.velocity / belt.spread**2) / precision
        place = path.origin + path.place / path.count
        middle = path.start + path.time / path.count
        return cls(middle, place, belt.noise / math.sqrt(path.count), velocity, 1 / np.sqrt(precision))

    def at(self, seconds: float) -> NDArray[np.float64]:
        """(2,) where the bean is."""
        return self.place + self.velocity * (seconds - self.seconds)

    def sd_at(self, seconds: float) -> NDArray[np.float64]:
        """(2,) standard deviation of ``at``."""
        return np.hypot(self.place_sd, self.velocity_sd * (seconds - self.seconds))

    def leaves(self, shape: tuple[int, int], heading: NDArray[np.float64], beyond: float = 0.0) -> Exit | None:
        """Foresee when and where the bean's centre crosses the edge of the frame towards which the belt runs.

        Args:
            shape: height and width of the frame, pixels.
            heading: (2,) the belt's velocity; it says which edge.
            beyond: the ejector is so many pixels behind that edge, before it if negative.

        Returns:
            None if the bean does not move towards the edge.
        """
        axis, other, line = exit_line(shape, heading, beyond)
        speed = float(self.velocity[axis])
        if speed * heading[axis] <= 0:
            return None
        seconds = self.seconds + (line - float(self.place[axis])) / speed
        sd = self.sd_at(seconds)
        seconds_sd = float(sd[axis]) / abs(speed)
        place = self.at(seconds)
        place[axis] = line
        place_sd = math.hypot(float(sd[other]), float(self.velocity[other]) * seconds_sd)
        return Exit(seconds, seconds_sd, float(place[0]), float(place[1]), place_sd)


def exit_line(shape: tuple[int, int], heading: NDArray[np.float64], beyond: float) -> tuple[int, int, float]:
    """Return the axis (0: x, 1: y) along which beans leave, the other one, and where on it the line lies, pixels."""
    extent = (shape[1], shape[0])
    axis = int(np.argmax(np.abs(heading) / extent))  # the edge that is reached first from the middle
    line = extent[axis] - 0.5 + beyond if heading[axis] >= 0 else -0.5 - beyond
    return axis, 1 - axis, line

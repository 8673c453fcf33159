"""One bean, as its descriptors see it: the part of a crop that it covers, measured once and used by all of them.

Everything here costs as much as the bean is large, not as its crop is. What lies around the bean says nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import cv2
import numpy as np

from cafepick.images import to_channels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

UNITS: Final = 64
"""Lengths are in units of the crop's side divided by this."""
EVERY: Final = 16
SPARE: Final = 4.0
"""A sample of every so many values bounds a high quantile from below, with so many standard deviations to spare."""


T = TypeVar("T")


class _Once(Generic[T]):
    """A property computed when first asked for; ``functools.cached_property`` locks all regions out before 3.12."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, region: Any, owner: type | None = None) -> T:
        value = region.__dict__[self._name] = self._compute(region)
        return value


@dataclass(frozen=True, eq=False)
class Region:
    """One bean in the window of its crop that holds it, which is symmetric about the crop's middle."""

    lab: NDArray[np.float32]
    """(h, w, 3) CIE L*a*b*: L* 0..100."""
    mask: NDArray[np.uint8]
    """(h, w), 1 inside the outline."""
    left: int
    """Column of the crop where the window begins; as many lie beyond its end."""
    top: int
    """Row of the crop where the window begins; as many lie beyond its end."""
    size: int
    """Side of the crop."""

    @classmethod
    def of(cls, image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Region:
        """Cut a bean out of its crop, with at least one pixel around it where the crop has so many.

        Args:
            image: (size, size, C), grey or RGB.
            mask: (size, size), True somewhere.
        """
        inside, size = mask.view(np.uint8), len(mask)
        x, y, width, height = cv2.boundingRect(inside)
        left, top = (max(min(a, size - b) - 1, 0) for a, b in ((x, x + width), (y, y + height)))
        window = slice(top, size - top), slice(left, size - left)
        pixels = to_channels(image[window], 3).astype(np.float32)
        pixels /= np.float32(255)
        lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
        return cls(np.asarray(lab, np.float32), inside[window].copy(), left, top, size)

    @_Once
    def unit(self) -> float:
        """Pixels of a unit of length."""
        return self.size / UNITS

    @_Once
    def inside(self) -> NDArray[np.bool_]:
        """(h, w) the mask."""
        return self.mask.view(np.bool_)

    @_Once
    def area(self) -> float:
        """Pixels inside."""
        return float(np.count_nonzero(self.mask))

    @_Once
    def depth(self) -> NDArray[np.float32]:
        """(h, w) distance from the outline, 0 outside, in units."""
        framed = cv2.copyMakeBorder(self.mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)  # a crop's edge ends the bean
        return np.asarray(cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1] / self.unit, np.float32)

    @_Once
    def light(self) -> NDArray[np.float32]:
        """(h, w) lightness."""
        return self.planes[0]

    @_Once
    def planes(self) -> tuple[NDArray[np.float32], ...]:
        """(h, w) of each channel of ``lab``."""
        return tuple(np.asarray(plane, np.float32) for plane in cv2.split(self.lab))

    @_Once
    def outline(self) -> Any:
        """(n, 1, 2) contour of the largest piece, x, y in the window."""
        contours, _ = cv2.findContours(self.mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        return max(contours, key=len)

    @_Once
    def moments(self) -> dict[str, float]:
        """Of the mask, about the window's first pixel."""
        return cv2.moments(self.mask, binaryImage=True)

    @_Once
    def middle(self) -> NDArray[np.float64]:
        """(2,) centre of mass, x, y in the crop."""
        m = self.moments
        return np.array([m["m10"] + self.left * m["m00"], m["m01"] + self.top * m["m00"]]) / m["m00"]

    def framed(self, left: int, top: int) -> NDArray[np.uint8]:
        """Return the mask in a window that begins at another column and row, no later ones."""
        if (left, top) == (self.left, self.top):
            return self.mask
        down, right = self.top - top, self.left - left
        framed = cv2.copyMakeBorder(self.mask, down, down, right, right, cv2.BORDER_CONSTANT, value=0)
        return np.asarray(framed, np.uint8)

    def windowed(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the window (h, w) of something as large as the crop."""
        return values[self.top : self.size - self.top, self.left : self.size - self.left]

    def within(self, where: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return each channel of the colour (3, pixels) at some pixels (h, w)."""
        return np.stack([plane[where] for plane in self.planes])


def high_quantile(values: NDArray[np.float32], share: float) -> float:
    """Return the ``share`` (0..1, near 1) quantile of values (n,), as ``np.quantile`` does in several times as long."""
    lower, upper, weight = _places(len(values), share)
    sample = np.sort(values[::EVERY])
    bound = sample[max(round(share * len(sample) - SPARE * (1 + np.sqrt((1 - share) * len(sample)))), 0)]
    highest = values[values >= bound]  # a few of them
    below = len(values) - len(highest)
    if below > lower:  # rare: the sample lay too high
        highest, below = values, 0
    ordered = np.sort(highest)
    low, high = ordered[lower - below], ordered[upper - below]
    return float(high - (high - low) * (1 - weight) if weight >= 0.5 else low + (high - low) * weight)


def quantiles(values: NDArray[np.float32], shares: Sequence[float]) -> list[float]:
    """Return the same of each row of (C, n), row by row, as numbers of double precision."""
    ordered = np.sort(values, axis=1)
    lower, upper, between = zip(*(_places(values.shape[1], share) for share in shares), strict=True)
    low, high = ordered[:, lower], ordered[:, upper]
    weight, step = np.array(between), high - low
    return np.where(weight >= 0.5, high - step * (1 - weight), low + step * weight).ravel().tolist()


def _places(count: int, share: float) -> tuple[int, int, float]:
    """The two of ``count`` ordered values that a quantile lies between, and how far from the first."""
    place = (count - 1) * share
    lower = floor(place)
    return lower, min(lower + 1, count - 1), place - lower

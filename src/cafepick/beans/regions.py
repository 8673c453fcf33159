"""Some beans, as their descriptors see them: the parts of their crops that they cover, measured once and used by all.

Everything here costs as much as the beans are large, not as their crops are, and each call works on many beans: a bean
has so few pixels that calls take longer than what they do, and keep other threads waiting. A bean's numbers do not
depend on those that it is measured with. What lies around a bean says nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import cv2
import numpy as np

from cafepick.images import to_channels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

UNITS: Final = 64
"""Lengths are in units of the crop's side divided by this."""
MARGIN: Final = 1.5
"""Room around a bean in its window, at least, in units: a filter that reaches twice as far finds no other bean."""
STEP: Final = 8
"""A window reaches from the crop's middle to a multiple of so many pixels, so that pictures can be thinned out alike,
and rows hold whole registers of numbers: what remains of one is rounded otherwise."""
SOME: Final = 16
"""Of so many pixels, one tells about where the highest values begin."""
LUMINANCE: Final = (0.212671, 0.715160, 0.072169)
"""Y of linear R, G and B (sRGB, D65)."""


T = TypeVar("T")
S = TypeVar("S", bound=np.generic)


class _Once(Generic[T]):
    """A property computed when first asked for; ``functools.cached_property`` locks all regions out before 3.12."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, regions: Any, owner: type | None = None) -> T:
        value = regions.__dict__[self._name] = self._compute(regions)
        return value


@dataclass(frozen=True, eq=False)
class Regions:
    """Beans in windows of their crops that hold them: equal windows, symmetric about the crop's middle."""

    pixels: NDArray[np.uint8]
    """(n, h, w, 3) RGB; beyond the crop's edge, its mirror image."""
    mask: NDArray[np.uint8]
    """(n, h, w), 1 inside the outline."""
    left: int
    """Column of the crop where windows begin, and end as far from its other edge; below 0 beyond the crop."""
    top: int
    """The same of rows."""
    size: int
    """Side of the crop."""

    @classmethod
    def of(cls, images: Sequence[NDArray[np.uint8]], masks: Sequence[NDArray[np.bool_]]) -> Regions:
        """Cut beans out of their crops.

        Args:
            images: n of (size, size, C), grey or RGB.
            masks: n of (size, size), True somewhere.
        """
        size = len(masks[0])
        top, left = (min(begins) for begins in zip(*map(window_of, masks), strict=True))
        shape = len(masks), size - 2 * top, size - 2 * left
        pixels, mask = np.empty((*shape, 3), np.uint8), np.empty(shape, np.uint8)
        for place, (image, inside) in enumerate(zip(images, masks, strict=True)):
            pixels[place] = _window(to_channels(image, 3), left, top, cv2.BORDER_REFLECT_101)
            mask[place] = _window(inside.view(np.uint8), left, top, cv2.BORDER_CONSTANT)
        return cls(pixels, mask, left, top, size)

    @_Once
    def unit(self) -> float:
        """Pixels of a unit of length."""
        return self.size / UNITS

    @_Once
    def inside(self) -> NDArray[np.bool_]:
        """(n, h, w) the mask."""
        return self.mask.view(np.bool_)

    @_Once
    def areas(self) -> NDArray[np.int64]:
        """(n,) pixels inside."""
        return np.array([np.count_nonzero(inside) for inside in self.inside])

    @_Once
    def starts(self) -> NDArray[np.int64]:
        """(n,) where the pixels of each bean begin in ``within``."""
        return np.cumsum(self.areas) - self.areas

    @_Once
    def bean(self) -> NDArray[np.int64]:
        """(pixels,) which bean each value of ``within`` belongs to."""
        return np.repeat(np.arange(len(self.areas)), self.areas)

    @_Once
    def lab(self) -> NDArray[np.float32]:
        """(3, n, h, w) CIE L*a*b*: L* 0..100."""
        pixels = _tall(self.pixels).astype(np.float32)
        pixels /= np.float32(255)
        lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)
        return np.stack([np.asarray(plane, np.float32).reshape(self.mask.shape) for plane in cv2.split(lab)])

    @_Once
    def colours(self) -> NDArray[np.float32]:
        """(3, pixels) of the same what is inside, bean by bean."""
        return np.stack([self.within(plane) for plane in self.lab])

    @_Once
    def light(self) -> NDArray[np.float32]:
        """(n, h, w) CIE L*, to the last digit, where ``lab`` is off by up to 0.2."""
        bright = cv2.transform(cv2.LUT(_tall(self.pixels), _LUMINANCE), np.ones((1, 3), np.float32))
        light = np.where(bright > 216 / 24389, 116 * np.cbrt(bright) - 16, bright * np.float32(24389 / 27))
        return np.asarray(light, np.float32).reshape(self.mask.shape)

    @_Once
    def depth(self) -> NDArray[np.float32]:
        """(pixels,) distance from the outline of what is inside, in units; a crop's edge ends the bean."""
        depth = cv2.distanceTransform(_tall(self.mask), cv2.DIST_L2, 5).reshape(self.mask.shape)
        return self.within(np.asarray(depth / np.float32(self.unit), np.float32))

    @_Once
    def outlines(self) -> list[NDArray[np.int32]]:
        """(points, 2) contour of the largest piece of each bean, x, y in the window."""
        found = (cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0] for mask in self.mask)
        return [np.asarray(max(contours, key=len), np.int32).reshape(-1, 2) for contours in found]

    @_Once
    def moments(self) -> NDArray[np.float64]:
        """(n, 5) middle x, y in the crop, then the central second moments xx, xy, yy: square pixels, of equal mass.

        The sums are moved from window to crop as whole numbers: they are the same in any window.
        """
        found = [cv2.moments(mask, binaryImage=True) for mask in self.mask]
        names = ("m00", "m10", "m01", "m20", "m11", "m02")
        count, x, y, xx, xy, yy = (np.array([of[name] for of in found]) for name in names)
        left, top = self.left, self.top
        xx, xy, yy = (
            xx + left * (2 * x + left * count),
            xy + left * y + top * (x + left * count),
            yy + top * (2 * y + top * count),
        )
        x, y = (x + left * count) / count, (y + top * count) / count
        return np.stack((x, y, xx / count - x * x + 1 / 12, xy / count - x * y, yy / count - y * y + 1 / 12), axis=1)

    def within(self, picture: NDArray[Any]) -> NDArray[Any]:
        """Return the values inside of a picture (n, h, w), bean by bean."""
        return picture[self.inside]

    def windows(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the windows (n, h, w) of something as large as the crop, the same for all beans; 0 beyond its edge."""
        return np.broadcast_to(_window(values, self.left, self.top, cv2.BORDER_CONSTANT), self.mask.shape)

    def quantiles(self, values: NDArray[np.float32], shares: Sequence[float]) -> NDArray[np.float64]:
        """Return quantiles of each bean's values, (..., n, shares) of (..., pixels), as ``np.quantile`` does."""
        lower, upper, beyond = self._places(np.array(shares))
        ordered = values.copy()
        for start, area in zip(self.starts.tolist(), self.areas.tolist(), strict=True):
            ordered[..., start : start + area].sort()
        low, high = (ordered[..., place + self.starts[:, None]].astype(np.float64) for place in (lower, upper))
        return low + (high - low) * beyond

    def high_quantile(self, values: NDArray[np.float32], share: float) -> NDArray[np.float64]:
        """Return the same for one share near 1, (n,) of (pixels,): much quicker, as the highest alone are sorted."""
        lower, upper, beyond = (column[:, 0] for column in self._places(np.array([share])))
        around = np.empty((2, len(self.areas)))
        for bean, (start, area) in enumerate(zip(self.starts.tolist(), self.areas.tolist(), strict=True)):
            highest = _highest(values[start : start + area], area - int(lower[bean]))
            around[:, bean] = highest[[0, upper[bean] - lower[bean]]]
        low, high = around
        return low + (high - low) * beyond

    def _places(self, shares: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Return the ranks between which each bean's quantiles lie, and how far beyond the lower, (n, shares) each."""
        last = self.areas[:, None] - 1
        places = last * shares
        lower = places.astype(np.int64)
        return lower, np.minimum(lower + 1, last), places - lower

    def total(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the sum of each bean's values, (..., n) of (..., pixels)."""
        return np.add.reduceat(values, self.starts, axis=-1, dtype=np.float64)

    def mean(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return their mean."""
        return self.total(values) / self.areas


def window_of(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the row and column where the window of a bean in its crop (size, size) begins."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    size, room = len(mask), ceil(MARGIN * len(mask) / UNITS)
    middle = size // 2
    top, left = (min(a, size - b) - room for a, b in ((y, y + height), (x, x + width)))
    return middle - -(-(middle - top) // STEP) * STEP, middle - -(-(middle - left) // STEP) * STEP


def filtered(work: Callable[[NDArray[Any]], Any], pictures: NDArray[S]) -> NDArray[S]:
    """Filter pictures (n, h, w) by a function of one picture: in one go, so it finds the next below each of them."""
    return np.asarray(work(_tall(pictures)), pictures.dtype).reshape(pictures.shape)


def blurred(pictures: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """Blur pictures (n, h, w), around which all is 0, by a Gaussian of some width in pixels, cut off at three."""
    count, tall, wide = pictures.shape
    reach = ceil(3 * width)
    framed = np.zeros((count, tall + reach, wide + -wide % STEP), np.float32)
    framed[:, :tall, :wide] = pictures
    kernel, beyond = (2 * reach + 1,) * 2, cv2.BORDER_CONSTANT
    done = filtered(lambda picture: cv2.GaussianBlur(picture, kernel, width, borderType=beyond), framed)
    return done[:, :tall, :wide]


def _highest(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return the ``count`` highest of some values, ascending.

    Among the values of every ``SOME``-th pixel one is looked for above which twice as many should lie.
    """
    some = np.sort(values[::SOME])
    chosen = values[values >= some[max(len(some) - 2 - 2 * count // SOME, 0)]]
    return np.sort(values if len(chosen) < count else chosen)[-count:]


def means(pictures: NDArray[Any], where: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean (n,) of each picture (n, h, w) where it is to be looked at; 0 where nowhere."""
    counts = np.array([np.count_nonzero(some) for some in where])
    some, found = counts > 0, np.zeros(len(counts))
    if some.any():
        found[some] = np.add.reduceat(pictures[where], (np.cumsum(counts) - counts)[some], dtype=np.float64)
    return found / np.maximum(counts, 1)


def _window(values: NDArray[Any], left: int, top: int, beyond: int) -> NDArray[Any]:
    """Cut a window that begins at a column and row, and ends as far from the other edges."""
    across, down = max(-left, 0), max(-top, 0)
    if across or down:
        values = np.asarray(cv2.copyMakeBorder(values, down, down, across, across, beyond, value=0))
    height, width = values.shape[:2]
    top, left = max(top, 0), max(left, 0)
    return values[top : height - top, left : width - left]


def _tall(pictures: NDArray[S]) -> NDArray[S]:
    """One below the other."""
    return pictures.reshape(-1, *pictures.shape[2:])


def _linear(level: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light of an sRGB level, both 0..1."""
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)


_LUMINANCE: Final = np.asarray(_linear(np.arange(256) / 255)[None, :, None] * LUMINANCE, np.float32)

"""Crop -> descriptors: size, shape, symmetry, colour and texture of one bean, in numbers that people understand.

A reconstruction tells where a bean differs from a good one; it hardly tells that a bean is small, broken off or brown
all over. These numbers do. There are few of them, each means something, and each is measured on the crop: upright, at
one scale, in balanced light; what is fine, on the same place at twice the resolution. Lengths are in units of 1/64 of
the crop's side, so a crop of any size gives like numbers.
"""

from __future__ import annotations

from functools import lru_cache, partial
from math import ceil, floor, sqrt
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import cv2
import numpy as np

from cafepick.beans.region import Region, high_quantile, quantiles
from cafepick.cores import shared

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cafepick.types import Crop

LEVELS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles of each colour channel inside the outline."""
RIMS: Final = (2, 6)
"""Widths of the rims whose colour is compared with the rest."""
SECTORS: Final = 12
RIM_OF_SECTORS: Final = 5
"""The rim is cut into so many sectors, so wide."""
HARMONICS: Final = (1, 2, 3, 4, 5)
"""Of the outline's distance from the middle, once around."""
SPOTS: Final = {3: True, 5: False}
"""Sides of the spots looked for, and whether on the closer look."""
BANDS: Final = (1, 2, 4)
"""Scales of texture: widths of the Gaussians between which a band lies."""
BEYOND: Final = np.float32(1000)
"""No lightness is as high, and none as low as its negative."""
FLATTEST: Final = 1e-6
"""Product of the variances of an outline along its two axes, at least: below, it is a line."""
UNKNOWN: Final = (93.0, 0.0, 0.0)
"""The surface where it is not known, CIE Lab: as white as crops are balanced to."""
CHANNELS: Final = ("lightness", "redness", "yellowness")
"""CIE L*, a*, b*."""


def describe(crop: Crop) -> NDArray[np.float64]:
    """Measure one bean.

    Args:
        crop: upright bean, grey or RGB; at least one pixel lies inside its outline. Where it has a ``detail``, that
            shows what is fine: outline, texture and small spots.

    Returns:
        (len(NAMES) + len(LIGHT),) finite numbers, in the order of ``NAMES``, then ``LIGHT``.
    """
    region = Region.of(crop.image, crop.mask)
    close = region if crop.detail is None else Region.of(*crop.detail)
    values = [value for part in PARTS for value in part.measure(close if part.fine else region)]
    return np.array([*values, *(crop.surface or UNKNOWN)], np.float64)


def describe_all(crops: Sequence[Crop]) -> NDArray[np.float64]:
    """Measure many beans: (n, len(NAMES) + len(LIGHT))."""
    return np.array(shared(describe, crops), np.float64).reshape(len(crops), len(NAMES) + len(LIGHT))


def _size(region: Region) -> Iterator[float]:
    yield float(np.log(region.area / region.unit**2))


def _shape(region: Region) -> Iterator[float]:
    """Aspect, share of the bounding box, of the convex hull and of the ellipse of equal moments, compactness."""
    _, _, width, height = cv2.boundingRect(region.mask)
    yield float(np.log(height / width))
    yield region.area / (height * width)
    outline = region.outline
    filled = max(cv2.contourArea(outline), 1.0)
    yield filled / max(cv2.contourArea(cv2.convexHull(outline)), 1.0)
    yield _misfit(region)
    smooth = cv2.approxPolyDP(outline, 0.7 * region.unit, True)
    yield float(np.log(max(cv2.arcLength(smooth, True), 1.0) ** 2 / (4 * np.pi * filled)))


def _misfit(region: Region) -> float:
    """Share of the area by which bean and ellipse of equal second moments differ."""
    xx, xy, yy = (region.moments[name] / region.moments["m00"] for name in ("mu20", "mu11", "mu02"))
    determinant = xx * yy - xy * xy
    if determinant > FLATTEST:
        left, top = (_room(region, axis, 2 * sqrt(second)) for axis, second in enumerate((xx, yy)))
    else:  # a line goes on to the crop's edge
        determinant, left, top = FLATTEST, 0, 0
    x = np.arange(left, region.size - left) - region.middle[0]
    y = (np.arange(top, region.size - top) - region.middle[1])[:, None]
    ellipse = yy * x * x - 2 * xy * x * y + xx * y * y < 4 * determinant  # two standard deviations
    return float(np.count_nonzero(ellipse != region.framed(left, top))) / region.area


def _room(region: Region, axis: int, reach: float) -> int:
    """Pixels between the crop's edge and a window that holds the bean and what is within ``reach`` of its middle."""
    middle, room = float(region.middle[axis]), (region.left, region.top)[axis]
    return max(min(room, floor(middle - reach), region.size - 1 - ceil(middle + reach)), 0)


def _harmonics(region: Region) -> Iterator[float]:
    """Strength of the outline's slow waves, relative to the mean radius: lopsided, elongated, three-cornered."""
    origin = np.array([region.left, region.top])  # whole numbers of pixels
    points = region.outline.reshape(-1, 2) + origin - region.middle
    angles, radii = np.arctan2(points[:, 1], points[:, 0]), np.hypot(points[:, 0], points[:, 1])
    order = np.argsort(angles, kind="stable")
    angles, radii = angles[order], radii[order]
    turn = 2 * np.pi  # the last point lies before the first, and the first after the last
    once = np.concatenate(([angles[-1] - turn], angles, [angles[0] + turn]))
    around = np.interp(_turns(), once, np.concatenate((radii[-1:], radii, radii[:1])))
    waves = np.abs(np.fft.rfft(around)) / (len(around) * max(float(around.mean()), 1e-6))
    yield from (float(np.log(waves[k] + 0.002)) for k in HARMONICS)


def _symmetry(region: Region) -> Iterator[float]:
    """Mean colour difference from the mirror image, and share of the area that has no counterpart."""
    for axis in (1, 0):  # left against right, top against bottom
        flipped = np.asarray(cv2.flip(region.mask, axis), np.uint8)
        both = region.mask & flipped
        yield float(np.mean(cv2.mean(cv2.absdiff(region.lab, cv2.flip(region.lab, axis)), both)[:3]))
        yield float(np.count_nonzero(region.mask != flipped)) / region.area


def _colour(region: Region) -> Iterator[float]:
    """Percentiles of each channel, then how the channels go together."""
    channels = region.within(region.inside)
    yield from quantiles(channels, LEVELS)
    centred = channels - channels.mean(axis=1, keepdims=True)
    spread = centred @ centred.T / channels.shape[1] + np.eye(3) * 0.25  # bits of camera noise keep a flat bean finite
    deviation = np.sqrt(np.diag(spread))
    together = spread / np.outer(deviation, deviation)
    yield from (float(together[i, j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def _rim(region: Region) -> Iterator[float]:
    """Colour of the rim less that of the rest: shading, and edges that are burnt, chipped or bleached."""
    for width in RIMS:
        rim = region.mask & (region.depth <= width).view(np.uint8)
        rest = region.mask ^ rim
        middle = cv2.mean(region.lab, rest if rest.any() else region.mask)
        yield from (a - b for a, b in zip(cv2.mean(region.lab, rim)[:3], middle[:3], strict=True))


def _evenness(region: Region) -> Iterator[float]:
    """How much the rim's colour changes around the bean: log of the standard deviation between sectors."""
    rim = region.inside & (region.depth <= RIM_OF_SECTORS)
    sector = region.windowed(_sectors(region.size))[rim]
    count = np.bincount(sector, minlength=SECTORS)
    seen = count > 0
    sums = np.stack([np.bincount(sector, channel, SECTORS) for channel in region.within(rim)])[:, seen]
    yield from (float(np.log(deviation + 0.1)) for deviation in (sums / count[seen]).std(axis=1))


def _texture(region: Region) -> Iterator[float]:
    """Gradient and curvature of lightness with and without the rim, then the strength of bands of texture (all log)."""
    light = region.light
    across, down = cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)
    slope = np.sqrt(across * across + down * down) / 8  # cv2.magnitude rounds as memory happens to be aligned
    bend = np.abs(cv2.Laplacian(light, cv2.CV_32F))
    inner = region.mask & (region.depth > 2).view(np.uint8)
    inner = inner if inner.any() else region.mask
    yield from (_log(cv2.mean(picture, where)[0]) for where in (region.mask, inner) for picture in (slope, bend))
    weight = region.mask.astype(np.float32)
    fields, finer, step, done = cv2.merge((light * weight, weight)), light, 1, 0.0
    for band in BANDS:  # Gaussian means of what lies inside the outline (normalised convolution), in a pyramid
        width, apart = band * region.unit, max(int(done / step), 1)  # a pixel a Gaussian's width shows all that is left
        fields, finer, kept = (np.ascontiguousarray(of[::apart, ::apart]) for of in (fields, finer, inner))
        inner = kept if kept.any() else np.ones_like(kept)  # nothing is left of a line
        step *= apart
        further = sqrt(width**2 - done**2) / step
        fields = cv2.GaussianBlur(fields, (0, 0), further, borderType=cv2.BORDER_CONSTANT)
        total, share = cv2.split(fields)
        coarser = total / (share + np.float32(1e-3))
        difference = finer - coarser
        yield _log(cv2.mean(difference * difference, inner)[0])
        finer, done = coarser, width


def _spots(side: int, region: Region) -> Iterator[float]:
    """Small dark and pale spots on the bean, their mean and their strongest (log): holes, mould, chips of skin.

    Black and white top hat of the lightness; what lies outside the outline takes no part.
    """
    light, disc = region.light, _disc(round(side * region.unit / 2 - 0.5))
    for first, then, sign in ((cv2.dilate, cv2.erode, 1), (cv2.erode, cv2.dilate, -1)):
        without = light
        for step, beyond in ((first, -sign * BEYOND), (then, sign * BEYOND)):
            without = np.asarray(step(np.where(region.inside, without, beyond), disc), np.float32)
        depth = np.abs(without - light)[region.inside]
        yield _log(float(depth.mean()))
        yield _log(high_quantile(depth, 0.98))


class Part(NamedTuple):
    """Descriptors that belong together."""

    names: tuple[str, ...]
    measure: Any
    """Function from a region to as many numbers."""
    fine: bool = False
    """Whether they are measured on a closer look, where there is one."""


PARTS: Final = (
    Part(("size",), _size),
    Part(("length", "boxiness", "solidity", "misfit", "roughness"), _shape, fine=True),
    Part(tuple(f"wave_{k}" for k in HARMONICS), _harmonics, fine=True),
    Part(("pattern_sides", "outline_sides", "pattern_ends", "outline_ends"), _symmetry),
    Part(
        (
            *(f"{channel}_{100 * level:.0f}" for channel in CHANNELS for level in LEVELS),
            "lightness_with_redness",
            "lightness_with_yellowness",
            "redness_with_yellowness",
        ),
        _colour,
    ),
    Part(tuple(f"rim_{width}_{channel}" for width in RIMS for channel in CHANNELS), _rim),
    Part(tuple(f"uneven_{channel}" for channel in CHANNELS), _evenness),
    Part(("slope", "bend", "inner_slope", "inner_bend", *(f"texture_{width}" for width in BANDS)), _texture, fine=True),
    *(
        Part(
            tuple(f"{kind}_spots_{side}_{how}" for kind in ("dark", "pale") for how in ("mean", "most")),
            partial(_spots, side),
            fine=fine,
        )
        for side, fine in SPOTS.items()
    ),
)
NAMES: Final = tuple(name for part in PARTS for name in part.names)
"""What each number of ``describe`` tells of a bean."""
LIGHT: Final = tuple(f"surface_{channel}" for channel in CHANNELS)
"""What the numbers after these tell of the light that the bean lies in: the colour of the surface around."""


@lru_cache(maxsize=16)
def _disc(reach: int) -> Any:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)


def _log(value: float) -> float:
    return float(np.log(value + 0.1))


@lru_cache(maxsize=8)
def _sectors(size: int) -> NDArray[np.int64]:
    """(size, size) number of the sector about the crop's middle that each pixel lies in."""
    step = np.arange(size) - (size - 1) / 2
    turn = np.arctan2(step[:, None], step[None]) / (2 * np.pi) + 0.5
    return np.minimum((turn * SECTORS).astype(np.int64), SECTORS - 1)


@lru_cache(maxsize=1)
def _turns() -> NDArray[np.float64]:
    return np.linspace(-np.pi, np.pi, 64, endpoint=False)

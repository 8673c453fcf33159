"""Crop -> descriptors: size, shape, symmetry, colour and texture of one bean, in numbers that people understand.

A reconstruction tells where a bean differs from a good one; it hardly tells that a bean is small, broken off or brown
all over. These numbers do. There are few of them, each means something, and each is measured on the crop: upright, at
one scale, in balanced light; what is fine, on the same place at twice the resolution. Lengths are in units of 1/64 of
the crop's side, so a crop of any size gives like numbers.
"""

from __future__ import annotations

from functools import lru_cache, partial
from itertools import groupby
from math import floor, sqrt
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import cv2
import numpy as np

from cafepick.beans.regions import STEP, Regions, blurred, filtered, means, window_of
from cafepick.cores import cores, shared

if TYPE_CHECKING:
    from collections.abc import Sequence

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
PAIRS: Final = ((0, 1), (0, 2), (1, 2))
"""Of channels."""
AT_ONCE: Final = 16
"""Beans measured together: more do not fit the caches of a core."""
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
    return describe_all([crop])[0]


def describe_all(crops: Sequence[Crop]) -> NDArray[np.float64]:
    """Measure many beans: (n, len(NAMES) + len(LIGHT))."""
    found = np.empty((len(crops), len(NAMES) + len(LIGHT)))
    batches = _batches(crops)
    for batch, rows in zip(batches, shared(lambda batch: _measure([crops[i] for i in batch]), batches), strict=True):
        found[batch] = rows
    return found


def _batches(crops: Sequence[Crop]) -> list[list[int]]:
    """Which to measure together: those that need windows of one size, in crops that are alike."""

    def kind(place: int) -> tuple[int, int]:
        crop = crops[place]
        return len(crop.mask), 0 if crop.detail is None else len(crop.detail[1])

    def order(place: int) -> tuple[tuple[int, int], tuple[int, int]]:
        return kind(place), window_of(crops[place].mask)

    most = min(AT_ONCE, -(-len(crops) // cores()))
    alike = groupby(sorted(range(len(crops)), key=order), kind)
    return [some[i : i + most] for some in (list(places) for _, places in alike) for i in range(0, len(some), most)]


def _measure(crops: Sequence[Crop]) -> NDArray[np.float64]:
    """Measure beans whose crops are alike in size."""
    regions = Regions.of([crop.image for crop in crops], [crop.mask for crop in crops])
    details = [crop.detail for crop in crops if crop.detail is not None]
    close = Regions.of(*zip(*details, strict=True)) if details else regions
    light = np.array([crop.surface or UNKNOWN for crop in crops])
    return np.concatenate([*(part.measure(close if part.fine else regions) for part in PARTS), light], axis=1)


def _size(regions: Regions) -> NDArray[np.float64]:
    return np.log(regions.areas[:, None] / regions.unit**2)


def _shape(regions: Regions) -> NDArray[np.float64]:
    """Aspect, share of the bounding box, of the convex hull and of the ellipse of equal moments, compactness."""
    width, height = np.array([cv2.boundingRect(mask)[2:] for mask in regions.mask]).T
    areas = np.array([(cv2.contourArea(line), cv2.contourArea(cv2.convexHull(line))) for line in regions.outlines])
    filled, hull = np.maximum(areas, 1).T
    smooth = [cv2.approxPolyDP(line, 0.7 * regions.unit, True) for line in regions.outlines]
    around = np.maximum([cv2.arcLength(line, True) for line in smooth], 1)
    compactness = np.log(around**2 / (4 * np.pi * filled))
    boxed = regions.areas / (height * width)
    return np.stack((np.log(height / width), boxed, filled / hull, _misfit(regions), compactness), axis=1)


def _misfit(regions: Regions) -> NDArray[np.float64]:
    """Share of the area by which bean and ellipse of equal second moments differ, (n,)."""
    x, y, xx, xy, yy = regions.moments.T[..., None]
    down = np.arange(regions.size) - y  # the ellipse, row by row: of two standard deviations
    middle = x + down * xy / yy
    reach = np.sqrt(np.maximum((xx * yy - xy**2) * (4 * yy - down**2), 0)) / yy
    first = np.clip(np.floor(middle - reach) + 1, 0, regions.size).astype(np.int64)
    after = np.clip(np.ceil(middle + reach), first, regions.size).astype(np.int64)
    top, left, height, width = max(regions.top, 0), regions.left, *regions.mask.shape[1:]
    before = np.zeros((*regions.mask.shape[:2], width + 1), np.int32)  # pixels of a row inside, left of each column
    np.cumsum(regions.mask, axis=2, dtype=np.int32, out=before[..., 1:])
    rows = slice(top, regions.size - top)
    begin, end = (np.clip(column[:, rows] - left, 0, width)[..., None] for column in (first, after))
    shown = before[:, top - regions.top : height - (top - regions.top)]
    both = np.take_along_axis(shown, end, 2) - np.take_along_axis(shown, begin, 2)
    return ((after - first).sum(axis=1) - 2 * both.sum(axis=(1, 2))) / regions.areas + 1


def _harmonics(regions: Regions) -> NDArray[np.float64]:
    """Strength of the outline's slow waves, relative to the mean radius: lopsided, elongated, three-cornered."""
    around, origin = np.empty((len(regions.areas), len(_turns()))), np.array([regions.left, regions.top])
    for row, outline, middle in zip(around, regions.outlines, regions.moments[:, :2], strict=True):
        placed = outline + origin  # in whole numbers: it is the same in any window
        across, down = (placed - middle).T
        angles, radii = np.arctan2(down, across), np.hypot(across, down)
        order = np.argsort(angles, kind="stable")
        angles, radii = angles[order], radii[order]
        turn = 2 * np.pi  # the last point lies before the first, and the first after the last
        once = np.concatenate(([angles[-1] - turn], angles, [angles[0] + turn]))
        row[:] = np.interp(_turns(), once, np.concatenate((radii[-1:], radii, radii[:1])))
    waves = np.abs(np.fft.rfft(around)) / (around.shape[1] * np.maximum(around.mean(axis=1, keepdims=True), 1e-6))
    return np.log(waves[:, HARMONICS] + 0.002)


def _symmetry(regions: Regions) -> NDArray[np.float64]:
    """Mean colour difference from the mirror image, and share of the area that has no counterpart."""
    found = []
    for axis in (-1, -2):  # left against right, top against bottom
        both = regions.within(np.flip(regions.mask, axis))
        count = regions.total(both)
        apart = np.abs(regions.lab - np.flip(regions.lab, axis)).sum(axis=0)
        found.append(regions.total(regions.within(apart) * both) / np.maximum(3 * count, 1))
        found.append(2 * (1 - count / regions.areas))
    return np.stack(found, axis=1)


def _colour(regions: Regions) -> NDArray[np.float64]:
    """Percentiles of each channel, then how the channels go together."""
    channels = regions.colours
    levels = np.concatenate(regions.quantiles(channels, LEVELS), axis=1)
    centred = channels - np.repeat(regions.mean(channels).astype(np.float32), regions.areas, axis=1)
    noise = np.eye(3) * 0.25  # bits of camera noise keep a flat bean finite
    spread = {(i, j): regions.mean(centred[i] * centred[j]) + noise[i, j] for i, j in (*PAIRS, (0, 0), (1, 1), (2, 2))}
    together = [spread[i, j] / np.sqrt(spread[i, i] * spread[j, j]) for i, j in PAIRS]
    return np.concatenate((levels, np.stack(together, axis=1)), axis=1)


def _rim(regions: Regions) -> NDArray[np.float64]:
    """Colour of the rim less that of the rest: shading, and edges that are burnt, chipped or bleached."""
    colours, found = regions.total(regions.colours), []
    for width in RIMS:
        rim = regions.depth <= width
        count, rim_colours = regions.total(rim), regions.total(regions.colours * rim)
        rest = regions.areas - count
        middle = np.where(rest, (colours - rim_colours) / np.maximum(rest, 1), colours / regions.areas)
        found.append(rim_colours / np.maximum(count, 1) - middle)
    return np.concatenate(found).T


def _evenness(regions: Regions) -> NDArray[np.float64]:
    """How much the rim's colour changes around the bean: log of the standard deviation between sectors."""
    rim = np.flatnonzero(regions.depth <= RIM_OF_SECTORS)
    places = len(regions.areas) * SECTORS
    sector = regions.bean[rim] * SECTORS + regions.within(regions.windows(_sectors(regions.size)))[rim]
    count = np.bincount(sector, minlength=places).reshape(-1, SECTORS)
    sums = np.stack([np.bincount(sector, colour, places).reshape(-1, SECTORS) for colour in regions.colours[:, rim]])
    colours, seen = sums / np.maximum(count, 1), np.broadcast_to(count > 0, sums.shape)
    return _log(np.std(colours, axis=-1, where=seen)).T


def _texture(regions: Regions) -> NDArray[np.float64]:
    """Gradient and curvature of lightness with and without the rim, then the strength of bands of texture (all log)."""
    light, inside = regions.light, regions.inside
    inner = filtered(lambda mask: cv2.erode(mask, _round(2 * regions.unit)), regions.mask).view(np.bool_)
    inner = np.where(inner.any(axis=(1, 2), keepdims=True), inner, inside)
    across, down, bend = (
        regions.within(filtered(partial(derive, ddepth=cv2.CV_32F), light))
        for derive in (partial(cv2.Sobel, dx=1, dy=0), partial(cv2.Sobel, dx=0, dy=1), cv2.Laplacian)
    )
    slope = np.sqrt(across * across + down * down) / 8  # cv2.magnitude rounds as memory happens to be aligned
    steep, core = np.stack((slope, np.abs(bend))), regions.within(inner)
    found = [*regions.mean(steep), *(regions.total(steep * core) / regions.total(core))]
    finer, step, done = light, 1, 0.0
    for band in BANDS:  # Gaussian means of what lies inside the outline (normalised convolution), in a pyramid
        width, apart = band * regions.unit, 1
        while 2 * apart <= done / step and 2 * apart * step <= STEP:  # a pixel a width shows all that is left
            apart *= 2
        finer = np.ascontiguousarray(finer[:, ::apart, ::apart])
        inside, inner = (np.ascontiguousarray(of[:, ::apart, ::apart]) for of in (inside, inner))
        step *= apart
        further = sqrt(width**2 - done**2) / step
        total, share = (blurred(picture, further) for picture in (finer * inside, inside.astype(np.float32)))
        coarser = np.asarray(total / (share + np.float32(1e-3)), np.float32)
        found.append(means((finer - coarser) ** 2, inner))
        finer, done = coarser, width
    return _log(np.stack(found, axis=1))


def _spots(side: int, regions: Regions) -> NDArray[np.float64]:
    """Small dark and pale spots on the bean, their mean and their strongest (log): holes, mould, chips of skin.

    Black and white top hat of the lightness; what lies outside the outline takes no part.
    """
    disc, fence = _disc(round(side * regions.unit / 2 - 0.5)), np.where(regions.inside, -BEYOND, BEYOND)
    dilated = partial(filtered, lambda picture: cv2.dilate(picture, disc))
    eroded = partial(filtered, lambda picture: cv2.erode(picture, disc))
    low, high = np.minimum(regions.light, -fence), np.maximum(regions.light, fence)
    closed, opened = eroded(np.maximum(dilated(low), fence)), dilated(np.minimum(eroded(high), -fence))
    found = []
    for depths in (regions.within(closed - low), regions.within(high - opened)):
        found.append(regions.mean(depths))
        found.append(regions.high_quantile(depths, 0.98))
    return _log(np.stack(found, axis=1))


class Part(NamedTuple):
    """Descriptors that belong together."""

    names: tuple[str, ...]
    measure: Any
    """Function from n beans' regions to (n, names) numbers."""
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


@lru_cache(maxsize=16)
def _round(reach: float) -> NDArray[np.uint8]:
    """All that is no further from the middle."""
    step = np.arange(-floor(reach), floor(reach) + 1)
    return (np.hypot(step, step[:, None]) <= reach).astype(np.uint8)


def _log(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(values + 0.1)


@lru_cache(maxsize=8)
def _sectors(size: int) -> NDArray[np.int32]:
    """(size, size) number of the sector about the crop's middle that each pixel lies in."""
    step = np.arange(size) - (size - 1) / 2
    turn = np.arctan2(step[:, None], step[None]) / (2 * np.pi) + 0.5
    return np.minimum((turn * SECTORS).astype(np.int32), SECTORS - 1)


@lru_cache(maxsize=1)
def _turns() -> NDArray[np.float64]:
    return np.linspace(-np.pi, np.pi, 64, endpoint=False)

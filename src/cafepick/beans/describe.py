"""Crop -> descriptors: size, shape, symmetry, colour and texture of one bean, in numbers that people understand.

A reconstruction tells where a bean differs from a good one; it hardly tells that a bean is small, broken off or brown
all over. These numbers do. There are few of them, each means something, and each is measured on the crop: upright, at
one scale, in balanced light; what is fine, on the same place at twice the resolution. Lengths are in units of 1/64 of
the crop's side, so a crop of any size gives like numbers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import cv2
import numpy as np

from cafepick.images import to_channels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cafepick.types import Crop

UNITS: Final = 64
"""Lengths are in units of the crop's side divided by this."""
LEVELS: Final = (5, 25, 50, 75, 95)
"""Percentiles of each colour channel inside the outline."""
RIMS: Final = (2, 6)
"""Widths of the rims whose colour is compared with the rest."""
SECTORS: Final = 12
RIM_OF_SECTORS: Final = 5
"""The rim is cut into so many sectors, so wide."""
HARMONICS: Final = (1, 2, 3, 4, 5)
"""Of the outline's distance from the middle, once around."""
SPOTS: Final = (3, 5)
"""Sides of the spots looked for."""
BANDS: Final = (1, 2, 4)
"""Scales of texture: widths of the Gaussians between which a band lies."""
CHANNELS: Final = ("lightness", "redness", "yellowness")
"""CIE L*, a*, b*."""


class _Region(NamedTuple):
    """One bean, as all descriptors see it."""

    lab: NDArray[np.float32]
    """(size, size, 3) CIE L*a*b*: L* 0..100."""
    mask: NDArray[np.uint8]
    """(size, size), 1 inside the outline."""
    area: float
    """Pixels inside."""
    depth: NDArray[np.float32]
    """(size, size) distance from the outline, 0 outside, in units."""
    unit: float
    """Pixels of a unit of length."""


def describe(crop: Crop) -> NDArray[np.float64]:
    """Measure one bean.

    Args:
        crop: upright bean, grey or RGB; at least one pixel lies inside its outline. Where it has a ``detail``, that
            shows what is fine: outline, texture and spots.

    Returns:
        (len(NAMES),) finite numbers, in the order of ``NAMES``.
    """
    region = _region(crop.image, crop.mask)
    close = region if crop.detail is None else _region(*crop.detail)
    return np.array([value for part in PARTS for value in part.measure(close if part.fine else region)], np.float64)


def describe_all(crops: Sequence[Crop]) -> NDArray[np.float64]:
    """Measure many beans: (n, len(NAMES))."""
    return np.array([describe(crop) for crop in crops], np.float64).reshape(len(crops), len(NAMES))


def _region(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> _Region:
    inside = mask.astype(np.uint8)
    unit = len(inside) / UNITS
    lab = cv2.cvtColor(to_channels(image, 3).astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    framed = cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)  # the crop's edge ends the bean too
    depth = np.asarray(cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1] / unit, np.float32)
    return _Region(np.asarray(lab, np.float32), inside, float(np.count_nonzero(inside)), depth, unit)


def _size(region: _Region) -> Iterator[float]:
    yield float(np.log(region.area / region.unit**2))


def _shape(region: _Region) -> Iterator[float]:
    """Aspect, share of the bounding box, of the convex hull and of the ellipse of equal moments, compactness."""
    _, _, width, height = cv2.boundingRect(region.mask)
    yield float(np.log(height / width))
    yield region.area / (height * width)
    outline = _outline(region.mask)
    filled = max(cv2.contourArea(outline), 1.0)
    yield filled / max(cv2.contourArea(cv2.convexHull(outline)), 1.0)
    yield float(np.count_nonzero(_ellipse(region.mask) != region.mask)) / region.area
    smooth = cv2.approxPolyDP(outline, 0.7 * region.unit, True)
    yield float(np.log(max(cv2.arcLength(smooth, True), 1.0) ** 2 / (4 * np.pi * filled)))


def _harmonics(region: _Region) -> Iterator[float]:
    """Strength of the outline's slow waves, relative to the mean radius: lopsided, elongated, three-cornered."""
    points = _outline(region.mask).reshape(-1, 2) - _middle(region.mask)
    angles, radii = np.arctan2(points[:, 1], points[:, 0]), np.hypot(points[:, 0], points[:, 1])
    order = np.argsort(angles, kind="stable")
    around = np.interp(_turns(), angles[order], radii[order], period=2 * np.pi)
    waves = np.abs(np.fft.rfft(around)) / (len(around) * max(float(around.mean()), 1e-6))
    yield from (float(np.log(waves[k] + 0.002)) for k in HARMONICS)


def _symmetry(region: _Region) -> Iterator[float]:
    """Mean colour difference from the mirror image, and share of the area that has no counterpart."""
    for axis in (1, 0):  # left against right, top against bottom
        flipped = np.asarray(cv2.flip(region.mask, axis), np.uint8)
        both = region.mask & flipped
        yield float(np.mean(cv2.mean(cv2.absdiff(region.lab, cv2.flip(region.lab, axis)), both)[:3]))
        yield float(np.count_nonzero(region.mask != flipped)) / region.area


def _colour(region: _Region) -> Iterator[float]:
    """Percentiles of each channel, then how the channels go together."""
    inside = region.lab[region.mask > 0]  # (pixels, 3)
    yield from np.percentile(inside, LEVELS, axis=0).T.ravel().tolist()
    centred = inside - inside.mean(axis=0)
    spread = centred.T @ centred / len(inside) + np.eye(3) * 0.25  # bits of camera noise keep a flat bean finite
    deviation = np.sqrt(np.diag(spread))
    together = spread / np.outer(deviation, deviation)
    yield from (float(together[i, j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def _rim(region: _Region) -> Iterator[float]:
    """Colour of the rim less that of the rest: shading, and edges that are burnt, chipped or bleached."""
    for width in RIMS:
        rim = region.mask & (region.depth <= width).astype(np.uint8)
        rest = region.mask & ~rim
        middle = cv2.mean(region.lab, rest if rest.any() else region.mask)
        yield from np.subtract(cv2.mean(region.lab, rim)[:3], middle[:3]).tolist()


def _evenness(region: _Region) -> Iterator[float]:
    """How much the rim's colour changes around the bean: log of the standard deviation between sectors."""
    rim = (region.mask > 0) & (region.depth <= RIM_OF_SECTORS)
    sector = _sectors(len(rim))[rim]
    count = np.bincount(sector, minlength=SECTORS)
    for channel in range(3):
        means = np.bincount(sector, region.lab[..., channel][rim], SECTORS)[count > 0] / count[count > 0]
        yield float(np.log(means.std() + 0.1))


def _texture(region: _Region) -> Iterator[float]:
    """Gradient and curvature of lightness with and without the rim, then the strength of bands of texture (all log)."""
    light = np.ascontiguousarray(region.lab[..., 0])
    across, down = cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)
    slope = np.sqrt(across * across + down * down) / 8  # cv2.magnitude rounds as memory happens to be aligned
    bend = np.abs(cv2.Laplacian(light, cv2.CV_32F))
    inner = region.mask & (region.depth > 2).astype(np.uint8)
    inner = inner if inner.any() else region.mask
    yield from (_log(cv2.mean(picture, where)[0]) for where in (region.mask, inner) for picture in (slope, bend))
    finer = light
    for width in BANDS:
        coarser = _smooth_inside(light, region.mask, width * region.unit)
        yield _log(cv2.mean(cv2.multiply(finer - coarser, finer - coarser), inner)[0])
        finer = coarser


def _spots(region: _Region) -> Iterator[float]:
    """Small dark and pale spots on the bean, their mean and their strongest (log): holes, mould, chips of skin."""
    light = region.lab[..., 0]
    inside = region.mask > 0
    filled = np.where(inside, light, np.median(light[inside])).astype(np.float32)
    for side in SPOTS:
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(side * region.unit / 2 - 0.5) + 1,) * 2)
        for kind in (cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT):
            depth = cv2.morphologyEx(filled, kind, disc)[inside]
            yield _log(float(depth.mean()))
            yield _log(float(np.percentile(depth, 98)))


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
            *(f"{channel}_{level}" for channel in CHANNELS for level in LEVELS),
            "lightness_with_redness",
            "lightness_with_yellowness",
            "redness_with_yellowness",
        ),
        _colour,
    ),
    Part(tuple(f"rim_{width}_{channel}" for width in RIMS for channel in CHANNELS), _rim),
    Part(tuple(f"uneven_{channel}" for channel in CHANNELS), _evenness),
    Part(("slope", "bend", "inner_slope", "inner_bend", *(f"texture_{width}" for width in BANDS)), _texture, fine=True),
    Part(
        tuple(f"{kind}_spots_{side}_{how}" for side in SPOTS for kind in ("dark", "pale") for how in ("mean", "most")),
        _spots,
        fine=True,
    ),
)
NAMES: Final = tuple(name for part in PARTS for name in part.names)
"""What each number of ``describe`` is."""


def _outline(mask: NDArray[np.uint8]) -> Any:
    """(n, 1, 2) contour of the largest piece."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return max(contours, key=len)


def _middle(mask: NDArray[np.uint8]) -> NDArray[np.float64]:
    moments = cv2.moments(mask, binaryImage=True)
    return np.array([moments["m10"], moments["m01"]]) / moments["m00"]


def _ellipse(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(size, size) ellipse that has the mask's second moments."""
    moments = cv2.moments(mask, binaryImage=True)
    xx, xy, yy = (moments[name] / moments["m00"] for name in ("mu20", "mu11", "mu02"))
    determinant = max(xx * yy - xy * xy, 1e-6)
    middle_x, middle_y = _middle(mask)
    x, y = np.arange(len(mask)) - middle_x, (np.arange(len(mask)) - middle_y)[:, None]
    return (yy * x * x - 2 * xy * x * y + xx * y * y) / determinant < 4  # two standard deviations


def _smooth_inside(light: NDArray[np.float32], mask: NDArray[np.uint8], width: float) -> NDArray[np.float32]:
    """Gaussian mean of what lies inside the outline (normalised convolution)."""
    weight = mask.astype(np.float32)
    total = cv2.GaussianBlur(light * weight, (0, 0), width)
    return np.asarray(total / (cv2.GaussianBlur(weight, (0, 0), width) + 1e-3), np.float32)


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

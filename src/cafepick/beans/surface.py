"""Which part of the photo is the surface that the beans lie on: a sheet of paper, the floor of a tray, the table.

A plain surface shows as the region whose colour changes only slowly. Beans, clutter and wood grain are full of edges,
and an edge parts the sheet from what it lies on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cafepick.beans.coarse import Coarse

SMALLEST_SURFACE: Final = 0.03
"""A smaller share of the photo is no candidate."""
SMALLEST_PIECE: Final = 0.0005
"""Share of the photo below which a flat spot says nothing."""
SAME_SURFACE: Final = 8.0
"""Largest colour difference between two pieces of one surface in uneven light."""
SMALLEST_SHEET: Final = 0.08
"""A sheet that lies on a larger plain surface covers at least so much of the photo."""
SHEET_CORNERS: Final = 7
"""Most corners of a sheet as seen: four, and up to three more where frame or fold cut it; a bean's outline has more."""
MOST_OPEN: Final = 0.1
"""Share of a sheet's border that may show no edge."""
LEAST_RECTANGULAR: Final = 0.82
"""Share of the smallest rectangle around it that a whole sheet fills; an ellipse fills 0.79."""


class Surface(NamedTuple):
    """Where beans may lie, at the coarse size at which it was estimated."""

    plain: NDArray[np.bool_]
    """(h, w), True on bare surface, though not on all of it."""
    extent: NDArray[np.bool_]
    """(h, w), True from edge to edge of the surface, whatever lies on it."""


class _Region(NamedTuple):
    mask: NDArray[np.bool_]
    hull: NDArray[np.int32]
    """(n, 2) x, y."""
    lightness: float


def find_surface(photo: Coarse) -> Surface:
    """Find the surface that the beans lie on.

    Among the plain regions, the largest; unless it surrounds a smaller one that looks like a sheet lying on it.

    Returns:
        The surface; in a photo without any plain region, all of it.
    """
    regions = _regions(photo)
    if not regions:
        everything = np.ones(photo.flat.shape, bool)
        return Surface(everything, everything)
    chosen = regions[0]
    for region in regions[1:]:
        if _is_sheet(region) and _lies_on(region, chosen) and _has_edge(region, photo.lab, photo.flat):
            chosen = region
    return Surface(chosen.mask, _drawn([chosen.hull], photo.flat.shape))


def _regions(photo: Coarse) -> list[_Region]:
    """The plain regions that are large enough to be a surface, largest first.

    Dense beans cut a surface into pieces, so pieces of one colour are one region.
    """
    areas, colours, size = photo.areas, photo.colours, photo.flat.size
    free = areas >= SMALLEST_PIECE * size
    free[0] = False  # label 0: not flat
    regions = []
    while free.any():
        largest = int(np.argmax(np.where(free, areas, 0)))
        alike = free & (np.linalg.norm(colours - colours[largest], axis=1) < SAME_SURFACE)
        free &= ~alike
        if areas[alike].sum() >= SMALLEST_SURFACE * size:
            regions.append(_region(alike[photo.labels], photo.lab))
    return sorted(regions, key=lambda region: -region.mask.sum())


def _region(mask: NDArray[np.bool_], lab: NDArray[np.float32]) -> _Region:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    hull = cv2.convexHull(np.concatenate([contour.reshape(-1, 2) for contour in contours])).reshape(-1, 2)
    return _Region(mask, np.asarray(hull, np.int32), float(lab[..., 0][mask].mean()))


def _drawn(contours: Sequence[NDArray[np.int32]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    canvas = np.zeros(shape, np.uint8)
    cv2.fillPoly(canvas, contours, 1)
    return canvas.astype(bool)


def _lies_on(region: _Region, below: _Region) -> bool:
    """Whether the region is surrounded by the other, and lighter: paper on a table, not a dark bean on paper."""
    hull = _drawn([below.hull], region.mask.shape)
    return float(hull[region.mask].mean()) > 0.9 and region.lightness > below.lightness


def _is_sheet(region: _Region) -> bool:
    """Whether the region is large and bounded by few straight edges, as a rectangle seen at a slant is."""
    height, width = region.mask.shape
    hull_area = cv2.contourArea(region.hull)
    if hull_area < SMALLEST_SHEET * height * width:
        return False
    corners = cv2.approxPolyDP(region.hull, 0.02 * cv2.arcLength(region.hull, True), True).reshape(-1, 2)
    straight = cv2.contourArea(corners) > 0.95 * hull_area and len(corners) <= SHEET_CORNERS
    _, sides, _ = cv2.minAreaRect(region.hull)
    inside = region.hull.min() > 0 and (region.hull.max(axis=0) < [width - 1, height - 1]).all()
    return straight and (not inside or hull_area > LEAST_RECTANGULAR * sides[0] * sides[1])


def _has_edge(region: _Region, lab: NDArray[np.float32], flat: NDArray[np.bool_]) -> bool:
    """Whether the colour changes abruptly all around: a part of a larger surface in uneven light goes on outside."""
    hull = _drawn([region.hull], region.mask.shape).astype(np.uint8)
    ring = flat & (cv2.dilate(hull, np.ones((9, 9), np.uint8)) > hull)
    beyond = np.linalg.norm(lab - fill_between(lab, region.mask), axis=2)[ring]
    return not beyond.size or float(np.mean(beyond < SAME_SURFACE)) < MOST_OPEN


def fill_between(values: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Smooth what is known and continue it over what is not.

    A pyramid of weighted means: each place takes its value from the finest level at which something near it is known
    (push-pull; Gortler et al., The Lumigraph, SIGGRAPH 1996), so nothing is extrapolated beyond the known values.

    Args:
        values: (h, w, C).
        known: (h, w), True somewhere.
    """
    weight = known.astype(np.float32)
    sums: list[Any] = [cv2.copyTo(values, known.view(np.uint8))]
    weights: list[Any] = [weight]
    while max(weights[-1].shape) > 2:
        sums.append(cv2.pyrDown(sums[-1]))
        weights.append(cv2.pyrDown(weights[-1]))
    filled = sums[-1] / np.maximum(weights[-1], 1e-6)[..., None]
    for total, weight in zip(sums[-2:0:-1], weights[-2:0:-1], strict=True):
        coarse = cv2.resize(filled, weight.shape[::-1])
        trust = np.minimum(2 * weight, 1)
        filled = total * (trust / np.maximum(weight, 1e-6))[..., None] + coarse * (1 - trust)[..., None]
    return np.asarray(cv2.resize(filled, known.shape[::-1]), np.float32)

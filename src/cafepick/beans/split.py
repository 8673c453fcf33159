"""Part beans that touch: first into too many pieces, then joined wherever the union looks more like one bean.

mask --distance transform--> discs --power diagram--> pieces --join--> beans
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMOOTHING: Final = 0.1
"""Standard deviation that smooths the depth, in units of the typical radius, against ragged edges."""
SHALLOWEST: Final = 0.4
"""A disc of a smaller radius, in units of the typical one, starts no piece."""
SPACING: Final = 0.4
"""Two discs lie at least so far apart, in units of the typical radius."""
ROUNDNESS: Final = 1.3
"""Area of a bean over that of its inscribed disc: beans are about so much longer than wide."""
DENT: Final = 0.04
"""Area that a bean may lack of its convex hull, in units of the typical area. Lack grows with the size of a union,
so that clusters do not gain by joining."""
MISFIT: Final = 0.4
"""Standard deviation of the logarithm of area among the beans of one photo, where there are many."""
NECK: Final = 0.75
"""Where two beans touch, the mask is narrower than this share of the smaller one's width..."""
NECKLESS: Final = 10.0
"""...and what is wider costs so much to cut through, times the excess share."""
REACH: Final = 3.5
"""The far end of a bean lies within so many times the radius of a disc of typical area."""
ONE_MORE: Final = 1.5
"""Cost of one more bean: without it, noise would be explained by splitting."""


class Piece(NamedTuple):
    """A part of the mask that is one bean, or a part of one."""

    hull: NDArray[np.int32]
    """(n, 2) x, y of the convex hull, pixels."""
    area: float
    """Pixels."""

    @property
    def lack(self) -> float:
        """Area by which the piece falls short of its convex hull, pixels."""
        # a hull through pixel centres is half a pixel too small all around
        return max(0.0, cv2.contourArea(self.hull) + cv2.arcLength(self.hull, True) / 2 + 1 - self.area)

    def joined(self, other: Piece) -> Piece:
        """The union of two pieces that touch."""
        return Piece(hull_of(np.concatenate([self.hull, other.hull])), self.area + other.area)

    def cost(self, typical: Typical) -> float:
        """How much the piece differs from one bean, plus the cost of counting it."""
        misfit = np.log(self.area / typical.area) / typical.spread
        return ONE_MORE + self.lack / (DENT * typical.area) + misfit**2


class Typical(NamedTuple):
    """What is known of the size of a photo's beans."""

    area: float
    """Pixels."""
    spread: float
    """Standard deviation of the logarithm of area."""

    @classmethod
    def of(cls, radius: float, islands: int) -> Typical:
        """From half the width of the beans; from few of them little is known about how long they are."""
        return cls(ROUNDNESS * np.pi * radius**2, float(np.sqrt(MISFIT**2 + 1 / islands)))


def hull_of(points: NDArray[np.int32]) -> NDArray[np.int32]:
    """Corners (n, 2) of the convex hull of points x, y."""
    return np.asarray(cv2.convexHull(points), np.int32).reshape(-1, 2)


def depth_inside(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(h, w) distance to the ground; outside the frame lies no ground, so a bean that is cut keeps its depth."""
    return np.asarray(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5), np.float32)


def typical_radius(depth: NDArray[np.float32]) -> float:
    """Half the width of a typical bean, pixels: the median radius of inscribed discs, each weighted by its area.

    The weight keeps specks and thin lines, of which there may be many, from counting as beans. 0 for an empty mask.

    Args:
        depth: (h, w) as ``depth_inside`` gives it.
    """
    peaks = np.sort(depth[(depth >= cv2.dilate(depth, np.ones((5, 5), np.uint8))) & (depth > 0)])
    if not len(peaks):
        return 0.0
    weight = np.cumsum(peaks**2)
    return float(peaks[np.searchsorted(weight, weight[-1] / 2)])


def split_touching(
    mask: NDArray[np.bool_], depth: NDArray[np.float32], radius: float
) -> tuple[NDArray[np.int32], dict[int, Piece]]:
    """Label the beans of a mask.

    Args:
        mask: (h, w), True on beans.
        depth: (h, w) of the mask, as ``depth_inside`` gives it.
        radius: half the width of a typical bean, pixels.

    Returns:
        (h, w) labels, 0 on the ground; and the bean that each label stands for.
    """
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    labels = np.zeros(mask.shape, np.int32)
    for label, contour in enumerate(contours, start=1):
        cv2.drawContours(labels, [contour], 0, label, cv2.FILLED)
    smooth = np.asarray(cv2.GaussianBlur(depth, (0, 0), max(SMOOTHING * radius, 0.5)), np.float32)
    discs = _discs(smooth, mask, radius)
    island_of_disc = labels[discs.y, discs.x]
    counts = np.bincount(island_of_disc, minlength=len(contours) + 1)
    cluster = np.zeros(mask.shape, np.uint8)
    pieces = {}
    for label, contour in enumerate(contours, start=1):
        if counts[label] == 1:
            pieces[label] = _whole(np.asarray(contour, np.int32))
        else:
            cv2.drawContours(labels, [contour], 0, 0, cv2.FILLED)
            cv2.drawContours(cluster, [contour], 0, 1, cv2.FILLED)
    if (counts > 1).any():
        typical = Typical.of(radius, islands=int(np.count_nonzero(counts)))
        clustered = discs.where(counts[island_of_disc] > 1)
        parted, parts = _part((cluster > 0) & mask, smooth, clustered, typical)
        np.maximum(labels, parted + len(contours), out=labels, where=parted > 0)
        pieces |= {label + len(contours): part for label, part in parts.items()}
    return labels, pieces


class _Discs(NamedTuple):
    """Largest discs inside a mask, arrays of one length."""

    x: NDArray[np.intp]
    y: NDArray[np.intp]
    radius: NDArray[np.float32]

    def where(self, chosen: NDArray[np.bool_]) -> _Discs:
        return _Discs(self.x[chosen], self.y[chosen], self.radius[chosen])


def _discs(depth: NDArray[np.float32], mask: NDArray[np.bool_], radius: float) -> _Discs:
    window = np.ones((2 * int(SPACING * radius) + 3,) * 2, np.uint8)
    y, x = np.nonzero((depth >= cv2.dilate(depth, window)) & (depth > SHALLOWEST * radius) & mask)
    return _Discs(x, y, depth[y, x])


def _whole(contour: NDArray[np.int32]) -> Piece:
    area = cv2.contourArea(contour) + cv2.arcLength(contour, True) / 2 + 1
    return Piece(hull_of(contour), area)


def _part(
    mask: NDArray[np.bool_], depth: NDArray[np.float32], discs: _Discs, typical: Typical
) -> tuple[NDArray[np.int32], dict[int, Piece]]:
    """Labels and beans of clusters."""
    labels, pieces = _cells(mask, discs, reach=round(REACH * np.sqrt(typical.area / np.pi)))
    necks = {pair: _neck(depth, discs, pair) for pair in _touching(labels)}
    owner = _join(pieces, necks, typical)
    renamed = np.zeros(len(discs.x) + 1, np.int32)
    for label, bean in owner.items():
        renamed[label] = bean
    return renamed[labels], pieces


def _cells(mask: NDArray[np.bool_], discs: _Discs, reach: int) -> tuple[NDArray[np.int32], dict[int, Piece]]:
    """(h, w) labels of the cells of the discs' power diagram, and the cells; disc i has the label i + 1.

    The cells of two discs meet in their common chord, which is where the neck between two beans is.
    """
    nearest = np.full(mask.shape, np.inf, np.float32)
    labels = np.zeros(mask.shape, np.int32)
    windows = []
    for label, (x, y, radius) in enumerate(zip(*(part.tolist() for part in discs), strict=True), start=1):
        window = slice(max(y - reach, 0), y + reach + 1), slice(max(x - reach, 0), x + reach + 1)
        rows = np.arange(mask.shape[0], dtype=np.float32)[window[0], None] - y
        columns = np.arange(mask.shape[1], dtype=np.float32)[window[1]] - x
        power = rows**2 + (columns**2 - radius**2)
        labels[window][power < nearest[window]] = label
        np.minimum(nearest[window], power, out=nearest[window])
        windows.append(window)
    labels[~mask] = 0
    pieces = {}
    for label, window in enumerate(windows, start=1):
        points = cv2.findNonZero((labels[window] == label).astype(np.uint8))
        if points is not None:
            points = points.reshape(-1, 2) + np.array([window[1].start, window[0].start], np.int32)
            pieces[label] = Piece(hull_of(points), len(points))
    return labels, pieces


def _neck(depth: NDArray[np.float32], discs: _Discs, pair: tuple[int, int]) -> float:
    """Narrowest place between two discs, as a share of the smaller one's radius: 1 where there is no neck."""
    one, other = pair[0] - 1, pair[1] - 1
    x = np.linspace(discs.x[one], discs.x[other], 9).round().astype(int)
    y = np.linspace(discs.y[one], discs.y[other], 9).round().astype(int)
    return float(depth[y, x].min() / min(discs.radius[one], discs.radius[other]))


def _touching(labels: NDArray[np.int32]) -> set[tuple[int, int]]:
    """Pairs of labels that lie side by side, the smaller first."""
    pairs = []
    for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        beside = (one != other) & (one > 0) & (other > 0)
        pairs.append(np.stack([one[beside], other[beside]], axis=1))
    return {(int(min(pair)), int(max(pair))) for pair in np.unique(np.concatenate(pairs), axis=0)}


def _join(pieces: dict[int, Piece], necks: dict[tuple[int, int], float], typical: Typical) -> dict[int, int]:
    """Join the pair whose union saves most, again and again, while one saves anything.

    ``pieces`` then holds the joined ones, and ``necks`` what is left between them. Returns for each label the label of
    the piece that it became part of.
    """
    owner = {label: label for label in pieces}

    def saving(pair: tuple[int, int]) -> float:
        one, other = pieces[pair[0]], pieces[pair[1]]
        apart = one.cost(typical) + other.cost(typical)
        return apart + NECKLESS * max(0.0, necks[pair] - NECK) - one.joined(other).cost(typical)

    savings = {pair: saving(pair) for pair in necks}
    while savings:
        pair = max(savings, key=lambda pair: (savings[pair], pair))
        if savings.pop(pair) <= 0:
            break
        kept, gone = pair
        pieces[kept] = pieces[kept].joined(pieces.pop(gone))
        owner = {label: kept if now == gone else now for label, now in owner.items()}
        for old in [some for some in savings if kept in some or gone in some]:
            del savings[old]
            other = next(label for label in old if label not in pair)
            renewed = (min(kept, other), max(kept, other))
            necks[renewed] = max(necks.get(renewed, 0.0), necks[old])
            savings[renewed] = saving(renewed)
    return owner

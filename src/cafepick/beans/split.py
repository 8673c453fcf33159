"""Part beans that touch: first into too many pieces, then joined wherever the union looks more like one bean.

mask --distance transform--> discs --power diagram--> pieces --join--> beans
"""

from __future__ import annotations

from math import log
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

    @classmethod
    def within(cls, contour: NDArray[np.int32]) -> Piece:
        """Return what a contour (n, 1, 2) through the outermost pixels bounds, these included."""
        return cls(hull_of(contour), cv2.contourArea(contour) + cv2.arcLength(contour, True) / 2 + 1)

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
        misfit = log(self.area / typical.area) / typical.spread
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
    return np.asarray(cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, 5), np.float32)


def typical_radius(depth: NDArray[np.float32]) -> float:
    """Half the width of a typical bean, pixels: the median radius of inscribed discs, each weighted by its area.

    The weight keeps specks and thin lines, of which there may be many, from counting as beans. 0 for an empty mask.

    Args:
        depth: (h, w) as ``depth_inside`` gives it.
    """
    x, y = _places((depth >= cv2.dilate(depth, np.ones((5, 5), np.uint8))) & (depth > 0)).T
    peaks = np.sort(depth[y, x])
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
    contours, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    labels = np.zeros(mask.shape, np.int32)
    for label, contour in enumerate(contours, start=1):
        cv2.drawContours(labels, [contour], 0, label, cv2.FILLED)
    smooth = np.asarray(cv2.GaussianBlur(depth, (0, 0), max(SMOOTHING * radius, 0.5)), np.float32)
    discs = _discs(smooth, mask, radius)
    island_of_disc = labels[discs.y, discs.x]
    counts = np.bincount(island_of_disc, minlength=len(contours) + 1)
    boxes = np.zeros((len(contours) + 1, 4), np.intp)
    islands = labels.copy()
    pieces = {}
    for label, contour in enumerate(contours, start=1):
        if counts[label] == 1:
            pieces[label] = Piece.within(np.asarray(contour, np.int32))
        else:
            boxes[label] = cv2.boundingRect(contour)
            cv2.drawContours(labels, [contour], 0, 0, cv2.FILLED)
    if (counts > 1).any():
        typical = Typical.of(radius, islands=int(np.count_nonzero(counts)))
        clustered = counts[island_of_disc] > 1
        own = island_of_disc[clustered]
        cells = _cells(islands, discs.where(clustered), own, boxes[own], typical)
        cells = np.asarray(cv2.copyTo(cells, mask.view(np.uint8)), np.int32)
        parted, parts = _beans_of(cells, smooth, discs.where(clustered), typical, first=len(contours) + 1)
        labels += parted  # 0 wherever a label stands
        pieces |= parts
    return labels, pieces


class _Discs(NamedTuple):
    """Largest discs inside a mask, arrays of one length."""

    x: NDArray[np.int32]
    y: NDArray[np.int32]
    radius: NDArray[np.float32]

    def where(self, chosen: NDArray[np.bool_]) -> _Discs:
        return _Discs(self.x[chosen], self.y[chosen], self.radius[chosen])


def _discs(depth: NDArray[np.float32], mask: NDArray[np.bool_], radius: float) -> _Discs:
    window = np.ones((2 * int(SPACING * radius) + 3,) * 2, np.uint8)
    x, y = _places((depth >= cv2.dilate(depth, window)) & (depth > SHALLOWEST * radius) & mask).T
    return _Discs(x, y, depth[y, x])


def _beans_of(
    cells: NDArray[np.int32], depth: NDArray[np.float32], discs: _Discs, typical: Typical, *, first: int
) -> tuple[NDArray[np.int32], dict[int, Piece]]:
    """Join cells to beans: their labels (h, w), at least ``first``, and the beans."""
    pieces = _pieces(cells)
    owner = _join(pieces, _necks(depth, discs, _touching(cells)), typical)
    renamed = np.zeros(len(discs.x) + 1, np.int32)
    for label, bean in owner.items():
        renamed[label] = bean + first - 1
    return np.take(renamed, cells), {label + first - 1: piece for label, piece in pieces.items()}


def _cells(
    islands: NDArray[np.int32], discs: _Discs, own: NDArray[np.int32], boxes: NDArray[np.intp], typical: Typical
) -> NDArray[np.int32]:
    """(h, w) labels of the cells of the discs' power diagram; disc i has the label i + 1, and 0 is outside.

    The cells of two discs meet in their common chord, which is where the neck between two beans is. No cell reaches
    into another cluster.

    Args:
        islands: (h, w) label of each cluster.
        discs: the n discs.
        own: (n,) the cluster of each.
        boxes: (n, 4) left, top, width and height of that cluster.
        typical: of the beans.
    """
    reach = round(REACH * np.sqrt(typical.area / np.pi))
    nearest = np.full(islands.shape, np.inf, np.float32)
    labels = np.zeros(islands.shape, np.int32)
    squares = np.arange(-reach, reach + 1, dtype=np.float32) ** 2
    bowl = squares[:, None] + squares  # squared distance from a disc's centre
    known = (part.tolist() for part in (*discs, own, boxes))
    for label, (x, y, radius, island, (left, top, width, height)) in enumerate(zip(*known, strict=True), start=1):
        (rows, down), (columns, right) = _span(y, reach, top, height), _span(x, reach, left, width)
        before = nearest[rows, columns]
        power = bowl[down, right] - np.float32(radius**2)
        closer = cv2.compare(power, before, cv2.CMP_LT)  # here OpenCV is five times as fast as NumPy
        closer &= islands[rows, columns] == island
        cv2.copyTo(np.full_like(power, label, np.int32), closer, labels[rows, columns])
        cv2.copyTo(power, closer, before)
    return labels


def _span(centre: int, reach: int, start: int, length: int) -> tuple[slice, slice]:
    """What lies near a centre and between a start and its end: counted from 0, and from ``centre - reach``."""
    begin, end = max(centre - reach, start), min(centre + reach + 1, start + length)
    return slice(begin, end), slice(begin - centre + reach, end - centre + reach)


def _pieces(labels: NDArray[np.int32]) -> dict[int, Piece]:
    """The labelled pieces, by label."""
    change = labels[:, 1:] != labels[:, :-1]
    starts, stops = (labels > 0 for _ in range(2))  # of the runs of a piece along the rows: its area, and all of its
    starts[:, 1:] &= change  # corners
    stops[:, :-1] &= change
    begins, ends = _places(starts), _places(stops)  # in one order, because no run lies within another
    points = np.concatenate([begins, ends])
    label = np.tile(labels[begins[:, 1], begins[:, 0]], 2)
    areas = np.bincount(label[: len(begins)], ends[:, 0] - begins[:, 0] + 1)
    order = np.argsort(label, kind="stable")
    names, firsts = np.unique(label[order], return_index=True)
    parts = np.split(points[order], firsts[1:])
    return {name: Piece(hull_of(part), float(areas[name])) for name, part in zip(names.tolist(), parts, strict=True)}


def _places(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """(n, 2) x, y of the pixels of a mask, row by row."""
    row, column = np.divmod(np.flatnonzero(mask), mask.shape[1])  # several times as fast as np.nonzero, if few
    return np.stack([column, row], axis=1).astype(np.int32)


def _necks(depth: NDArray[np.float32], discs: _Discs, pairs: NDArray[np.intp]) -> dict[tuple[int, int], float]:
    """Narrowest place between two discs, as a share of the smaller one's radius: 1 where there is no neck.

    Args:
        depth: (h, w).
        discs: those that the labels stand for.
        pairs: (n, 2) of labels.
    """
    one, other = pairs.T - 1
    x, y = (np.linspace(part[one], part[other], 9).round().astype(int) for part in (discs.x, discs.y))  # (9, n)
    necks = depth[y, x].min(axis=0) / np.minimum(discs.radius[one], discs.radius[other])
    return {(first, second): neck for (first, second), neck in zip(pairs.tolist(), necks.tolist(), strict=True)}


def _touching(labels: NDArray[np.int32]) -> NDArray[np.intp]:
    """(n, 2) pairs of labels that lie side by side, the smaller first."""
    count = int(labels.max()) + 1
    found = []
    for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        x, y = _places(one != other).T
        first, second = one[y, x].astype(np.intp), other[y, x].astype(np.intp)
        pairs = np.minimum(first, second) * count + np.maximum(first, second)
        found.append(pairs[pairs >= count])  # below, the smaller one is the ground
    return np.stack(np.divmod(np.unique(np.concatenate(found)), count), axis=1)


def _join(pieces: dict[int, Piece], necks: dict[tuple[int, int], float], typical: Typical) -> dict[int, int]:
    """Join the pair whose union saves most, again and again, while one saves anything.

    ``pieces`` then holds the joined ones, and ``necks`` what is left between them. Returns for each label the label of
    the piece that it became part of.
    """
    members = {label: [label] for label in pieces}
    costs = {label: piece.cost(typical) for label, piece in pieces.items()}

    def saving(pair: tuple[int, int]) -> float:
        one, other = pair
        through = NECKLESS * max(0.0, necks[pair] - NECK)
        return costs[one] + costs[other] + through - pieces[one].joined(pieces[other]).cost(typical)

    savings = {pair: saving(pair) for pair in necks}
    while savings:
        most, pair = max(zip(savings.values(), savings, strict=True))
        del savings[pair]
        if most <= 0:
            break
        kept, gone = pair
        pieces[kept] = pieces[kept].joined(pieces.pop(gone))
        costs[kept] = pieces[kept].cost(typical)
        members[kept] += members.pop(gone)
        for old in [some for some in savings if kept in some or gone in some]:
            del savings[old]
            other = next(label for label in old if label not in pair)
            renewed = (min(kept, other), max(kept, other))
            necks[renewed] = max(necks.get(renewed, 0.0), necks[old])
            savings[renewed] = saving(renewed)
    return {label: bean for bean, labels in members.items() for label in labels}

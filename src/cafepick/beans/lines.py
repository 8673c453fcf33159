"""Straight edges of a photo that are lighter on one side, and the quadrangles that four of them make.

whiteness --gradient--> edge pixels, each with a direction --Hough--> lines --four that close--> quadrangles
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_STEP: Final = 3.0
"""Change of whiteness per pixel, in grey levels, of an edge."""
STRONG_STEP: Final = 12.0
"""An edge pixel's vote counts in proportion to its step up to here, so that grain does not outvote a sheet."""
FLAT_STEP: Final = 6
"""Largest difference of whiteness among neighbours on a plain thing, grey levels."""
FIELD: Final = 0.012
"""Share of the photo from which a plain piece may be a part of a sheet, rather than of a pattern."""
BESIDE: Final = 5.0
"""Distance in pixels from an edge to the lighter side, at which it is looked for."""
PATTERN: Final = 0.2
"""Weight of an edge that does not border such a piece."""
SPREAD: Final = 4
"""Degrees by which the direction of an edge pixel may miss that of its line."""
MOST_LINES: Final = 44
NEAREST: Final = 2.0
"""Two lines of one direction are at least so many pixels apart."""
REACH: Final = 2.0
"""Distance in pixels within which an edge pixel belongs to a line."""
GAPS: Final = (45.0, 135.0)
"""Turn between neighbouring sides of a sheet as seen, degrees."""
LEAST_AREA: Final = 0.06
"""Share of the photo that a sheet covers at least."""
LEAST_COVER: Final = 0.4
"""Share of each side along which an edge is seen, for a quadrangle to be looked at."""
MOST_QUADS: Final = 150


class Lines(NamedTuple):
    """n directed lines: ``normals @ point == offsets``, the lighter side where the product is larger."""

    normals: NDArray[np.float64]
    """(n, 2) unit vectors towards the lighter side."""
    offsets: NDArray[np.float64]
    """(n,)"""
    covered: NDArray[np.float64]
    """(n, length) how many pixels along the line, from a start that is the same for all, lie on an edge: sums."""
    start: float


def whiteness(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w) smallest of red, green and blue: paper stands out from what is darker and from what has a colour."""
    red, green, blue = cv2.split(photo)
    return np.asarray(cv2.min(cv2.min(red, green), blue), np.uint8)


def find_lines(image: NDArray[np.uint8]) -> Lines:
    """Find the most distinct straight edges of a whiteness image (h, w), at a working size.

    Hough transform with the direction of the gradient (Ballard, Pattern Recognition 13, 1981): an edge pixel votes for
    directed lines of about its own direction only.
    """
    points, angles, weights = _edge_pixels(image)
    size = float(np.hypot(*image.shape))
    rhos = int(np.ceil(size)) + 1  # two pixels a bin, from -size to size
    votes = np.zeros(360 * rhos, np.float64)
    nearest = np.rint(np.degrees(angles)).astype(int)
    for miss in range(-SPREAD, SPREAD + 1):
        theta = (nearest + miss) % 360
        rho = points[:, 0] * _COS[theta] + points[:, 1] * _SIN[theta]
        places = theta * rhos + ((rho + size) / 2).astype(int)
        votes += np.bincount(places, weights, minlength=len(votes))
    peaks = _peaks(votes.reshape(360, rhos).astype(np.float32), least=0.03 * min(image.shape) * LEAST_STEP)
    fitted = [_fit(points, angles, weights, np.radians(theta), 2 * rho - size + 1) for theta, rho in peaks]
    return _lines(_distinct([one for one in fitted if one is not None]), points, angles, size)


_COS: Final = np.cos(np.radians(np.arange(360)))
_SIN: Final = np.sin(np.radians(np.arange(360)))


def _edge_pixels(image: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(n, 2) x, y where the step is largest across the edge, (n,) its direction towards the light, (n,) its size."""
    smooth = np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0), np.uint8)
    dx, dy = (cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=3) / 8 for order in ((1, 0), (0, 1)))
    step = cv2.magnitude(dx, dy)
    flat = np.abs(dx) > np.abs(dy)
    largest = np.where(flat, cv2.dilate(step, np.ones((1, 3))), cv2.dilate(step, np.ones((3, 1))))
    edge = np.asarray((step >= largest) & (step >= LEAST_STEP), np.bool_)
    rows, columns = np.nonzero(edge)
    points = np.stack([columns, rows], axis=1).astype(np.float64)
    angles = np.arctan2(dy[edge], dx[edge]).astype(np.float64)
    weights = np.minimum(step[edge], STRONG_STEP).astype(np.float64)
    inside = np.rint(points + BESIDE * np.stack([np.cos(angles), np.sin(angles)], axis=1)).astype(int)
    inside = np.clip(inside, 0, [image.shape[1] - 1, image.shape[0] - 1])
    weights[~_fields(smooth)[inside[:, 1], inside[:, 0]]] *= PATTERN
    return points, angles, weights


def _fields(smooth: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(h, w) True in and next to large plain pieces of the photo."""
    step = cv2.subtract(cv2.dilate(smooth, np.ones((3, 3))), cv2.erode(smooth, np.ones((3, 3))))
    flat = (step < FLAT_STEP).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(flat, connectivity=4)
    large = stats[:, cv2.CC_STAT_AREA] > FIELD * flat.size
    large[0] = False
    return cv2.dilate(large[np.asarray(labels, np.intp)].astype(np.uint8), np.ones((3, 3))).astype(bool)


def _peaks(votes: NDArray[np.float32], *, least: float) -> list[tuple[int, int]]:
    """Degree and bin of the highest local maxima of the votes (360, bins)."""
    wrapped = cv2.copyMakeBorder(votes, 6, 6, 0, 0, cv2.BORDER_WRAP)
    smooth = cv2.blur(wrapped, (3, 3))
    highest = cv2.dilate(smooth, np.ones((5, 3)))
    theta, rho = np.nonzero((smooth >= highest)[6:-6] & (smooth[6:-6] > least))
    order = np.argsort(-smooth[6:-6][theta, rho], kind="stable")[: 4 * MOST_LINES]
    return [(int(theta[i]), int(rho[i])) for i in order]


class _Line(NamedTuple):
    angle: float
    offset: float
    weight: float


_TURNS: Final = np.radians(np.linspace(-1.6, 1.6, 17))
_SHIFTS: Final = np.linspace(-3.0, 3.0, 13)
"""Around the highest bin of the Hough transform, lines are tried that differ by so much."""


def _fit(
    points: NDArray[np.float64], angles: NDArray[np.float64], weights: NDArray[np.float64], angle: float, offset: float
) -> _Line | None:
    """Find the line near a guess that most edge pixels lie on: other edges, nearly parallel, may run beside it."""
    close = np.abs(points[:, 0] * np.cos(angle) + points[:, 1] * np.sin(angle) - offset) < 2 * REACH + 8
    close &= np.cos(angles - angle) > np.cos(np.radians(15))
    if close.sum() < 20:
        return None
    points, weights = points[close], weights[close]
    centre = points.mean(axis=0)
    turned = angle + _TURNS
    normals = np.stack([np.cos(turned), np.sin(turned)])  # (2, turns)
    level = offset - centre @ [np.cos(angle), np.sin(angle)]
    off = ((points - centre) @ normals - level)[:, :, np.newaxis] - _SHIFTS  # (n, turns, shifts)
    votes = (weights[:, np.newaxis, np.newaxis] * np.maximum(1 - np.abs(off) / REACH, 0)).sum(axis=0)
    turn, shift = np.unravel_index(int(votes.argmax()), votes.shape)
    on = np.abs(off[:, turn, shift]) < REACH
    if on.sum() < 20:
        return None
    chosen, weight = points[on], weights[on]
    total = float(weight.sum())
    middle = (chosen * weight[:, np.newaxis]).sum(axis=0) / total
    spread = ((chosen - middle) * weight[:, np.newaxis]).T @ (chosen - middle)
    across = np.linalg.eigh(spread)[1][:, 0]
    across = across if across @ normals[:, turn] > 0 else -across
    return _Line(float(np.arctan2(across[1], across[0])), float(across @ middle), total)


def _distinct(lines: list[_Line]) -> list[_Line]:
    """The heaviest lines, of those that nearly coincide only one."""
    kept: list[_Line] = []
    for line in sorted(lines, key=lambda one: -one.weight):
        alike = (
            np.cos(line.angle - k.angle) > np.cos(np.radians(1.0)) and abs(line.offset - k.offset) < NEAREST
            for k in kept
        )
        if not any(alike):
            kept.append(line)
    return kept[:MOST_LINES]


def _lines(lines: list[_Line], points: NDArray[np.float64], angles: NDArray[np.float64], size: float) -> Lines:
    normals = np.array([(np.cos(one.angle), np.sin(one.angle)) for one in lines]).reshape(-1, 2)
    covered = np.zeros((len(lines), 2 * int(size) + 4))
    for row, line, normal in zip(covered, lines, normals, strict=True):
        on = (np.abs(points @ normal - line.offset) < REACH) & (np.cos(angles - line.angle) > np.cos(np.radians(20)))
        along = (points[on] @ np.array([-normal[1], normal[0]]) + size).astype(int)
        row[np.unique(along)] = 1
        row[:] = np.cumsum(row)
    return Lines(normals, np.array([one.offset for one in lines]), covered, -size)


def quadrangles(lines: Lines, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Find the convex quadrangles inside the photo that are lighter inside along most of each side.

    Args:
        lines: what ``find_lines`` found.
        shape: height and width of the image.

    Returns:
        (m, 4, 2) corners x, y, clockwise as seen, the most distinct first; side k lies between corners k and k + 1.
    """
    order = np.argsort(np.arctan2(lines.normals[:, 1], lines.normals[:, 0]))
    angles = np.degrees(np.arctan2(lines.normals[order, 1], lines.normals[order, 0]))
    fours = np.array(list(combinations(range(len(order)), 4)), int).reshape(-1, 4)
    around = np.concatenate([angles[fours], angles[fours[:, :1]] + 360], axis=1)  # (m, 5)
    turns = around[:, 1:] - around[:, :-1]
    fours = order[fours[((turns > GAPS[0]) & (turns < GAPS[1])).all(axis=1)]]
    if not len(fours):
        return np.zeros((0, 4, 2))
    # the corner before side k is where it meets side k - 1
    corners = np.stack([_meet(lines, fours[:, k - 1], fours[:, k]) for k in range(4)], axis=1)
    height, width = shape[:2]
    inside = ((corners > 1) & (corners < [width - 2, height - 2])).all(axis=(1, 2))
    closed = np.stack([_beyond(lines, fours[:, k], corners[:, (k + 2) % 4]) > 0 for k in range(4)], axis=1).all(axis=1)
    x, y = corners[..., 0], corners[..., 1]
    area = 0.5 * np.abs((x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1))
    kept = inside & closed & (area > LEAST_AREA * height * width)
    fours, corners, area = fours[kept], corners[kept], area[kept]
    cover = np.stack([_cover(lines, fours[:, k], corners[:, k], corners[:, (k + 1) % 4]) for k in range(4)], axis=1)
    least = cover.min(axis=1, initial=1.0)
    rank = np.where(least > LEAST_COVER, np.sqrt(area) * cover.mean(axis=1) * least, 0)
    best = np.argsort(-rank, kind="stable")[:MOST_QUADS]
    return corners[best[rank[best] > 0]]


def _meet(lines: Lines, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float64]:
    """(m, 2) where pairs of lines meet; GAPS keeps them from being parallel."""
    a, b = lines.normals[one], lines.normals[other]
    p, q = lines.offsets[one], lines.offsets[other]
    determinant = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    x, y = p * b[:, 1] - q * a[:, 1], q * a[:, 0] - p * b[:, 0]
    return np.stack([x, y], axis=1) / determinant[:, np.newaxis]


def _beyond(lines: Lines, one: NDArray[np.int64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    return (lines.normals[one] * points).sum(axis=1) - lines.offsets[one]


def _cover(
    lines: Lines, one: NDArray[np.int64], begin: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(m,) share of the stretch between two points of each line along which there is an edge."""
    along = np.stack([-lines.normals[one, 1], lines.normals[one, 0]], axis=1)
    places = [((point * along).sum(axis=1) - lines.start).astype(int) for point in (begin, end)]
    low, high = np.minimum(*places), np.maximum(*places)
    return (lines.covered[one, high] - lines.covered[one, low]) / np.maximum(high - low, 1)

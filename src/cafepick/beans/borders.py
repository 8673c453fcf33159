"""Is a quadrangle in a photo bordered like a sheet of paper, and where exactly are its corners?

Along each side the photo is sampled across the edge; the places where it rises to paper give a curve that is straight
but for a little bend of lens or paper, and neighbouring curves meet in the corners.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import cv2
import numpy as np

from cafepick.beans.paper import homography

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLES: Final = 120
"""Places along each side at which the edge is looked for, between ``ENDS`` and 1 - ``ENDS`` of its length."""
ENDS: Final = 0.02
THICK: Final = 5
"""Samples along the edge that are averaged at each place."""
LEAST_RISE: Final = 2.5
"""Rise of whiteness per sample across the edge, grey levels, from which there is an edge."""
LEAST_SUPPORT: Final = 0.55
"""Share of each side along which the edge is seen where it should be; beans and clutter may hide the rest."""
LONGEST_GAP: Final = 0.4
"""Longest stretch of a side, as a share, without an edge."""
STRAIGHT: Final = 0.01
"""Largest bend of a side: how far its middle may lie off the line between its ends, as a share of its length."""
STRIP: Final = 0.012
"""Distance from the edge, as a share of the side across, at which paper and table are compared."""
INNER_STRIPS: Final = (STRIP, 0.035, 0.07)
"""Distances inwards at which there should be paper: a pattern on the table repeats itself at other distances."""
SAME_COLOUR: Final = 9.0
"""Largest difference of chroma (CIE Lab a*, b*) within one sheet."""
DARKEST: Final = 0.45
"""Least lightness of paper in shadow, as a share of that of the whole sheet."""
LEAST_PLAIN: Final = (0.75, 0.3)
"""Share of the strip along each side, and of the whole sheet, that has the colour of paper."""
LEAST_CONTRAST: Final = 6.0
"""Median difference of whiteness between the strips inside and outside each side, grey levels."""
EVEN_REACH: Final = 8
EVEN_STEP: Final = 0.1
"""Samples along a strip, of 60, to either side that count as near, and how far paper may be off their median."""
DEPTH_STEP: Final = 1.35
"""Largest ratio of whiteness between two strips of one side, over most of its length."""
CORNER_TIPS: Final = (0.006, 0.010, 0.014)
CORNER_NEARBY: Final = (0.02, 0.06, 0.1, 0.14)
"""Distances from the sides, as shares of them, of what is taken for the tip of a corner and for its surroundings."""
CORNER_LEVEL: Final = 0.75
"""Least whiteness of the tip, as a share of that of the surroundings."""
FOLD_STEP: Final = 0.75
FOLD_SPREAD: Final = 0.03
"""Least ratio of the whiteness beyond a fold to that before it, and its largest median deviation along the fold."""
MOST_COLOURED: Final = 30.0
PALEST: Final = 35.0
"""Largest chroma and least lightness (CIE Lab) of paper as photographed."""


class Border(NamedTuple):
    """The border of a sheet, found along all four sides."""

    corners: NDArray[np.float64]
    """(4, 2) x, y in photo pixels, in the order of the quadrangle that was looked at."""
    support: float
    """Least share of a side along which the edge was seen."""


def paper_share(lab: NDArray[np.float32], white: NDArray[np.uint8], corners: NDArray[np.float64]) -> float:
    """Say how far a quadrangle is of one pale colour along its sides, and darker outside.

    Args:
        lab: (h, w, 3) CIE L*a*b* at a working size.
        white: (h, w) whiteness, see ``lines.whiteness``.
        corners: (4, 2) clockwise, pixels.

    Returns:
        Least share of a side along which there is paper inside, 0..1; 0 where something else speaks against a sheet.
    """
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    to_photo = homography(unit, corners)
    inner = np.stack([_sampled(lab, _strips(to_photo, inwards)) for inwards in INNER_STRIPS])  # (strips, 4, n, 3)
    paper = np.median(inner.reshape(-1, 3), axis=0)
    if paper[0] < PALEST or np.hypot(*paper[1:]) > MOST_COLOURED:
        return 0.0
    levels = np.stack([_sampled(white, _strips(to_photo, inwards)) for inwards in INNER_STRIPS])  # (strips, 4, n)
    plain = float((_is_paper(inner, paper) & _even(levels)).mean(axis=2).min())
    places = (np.arange(48) + 0.5) / 48
    everywhere = np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2)
    within = float(_is_paper(_sampled(lab, _through(to_photo, everywhere)), paper).mean())
    if plain < LEAST_PLAIN[0] or within < LEAST_PLAIN[1]:
        return 0.0
    depths = np.median(levels[1:] / np.maximum(levels[:1], 1), axis=2)  # a stripe along a side shows here
    if depths.min() < 1 / DEPTH_STEP or depths.max() > DEPTH_STEP or not _has_corners(white, to_photo):
        return 0.0
    darker = _sampled(white, _strips(to_photo, STRIP)) - _sampled(white, _strips(to_photo, -STRIP))
    outer = _sampled(lab, _strips(to_photo, -STRIP))
    same = _is_paper(outer, paper) & (np.abs(darker) < LEAST_CONTRAST)  # the paper goes on
    differs = np.median(darker, axis=1).min() > LEAST_CONTRAST and same.mean(axis=1).max() < 0.5
    return plain if differs else 0.0


def _even(levels: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether whiteness (..., n) along a side is about that of most places nearby: not so on a pattern."""
    reach = EVEN_REACH
    padded = np.concatenate([levels[..., reach:0:-1], levels, levels[..., -2 : -reach - 2 : -1]], axis=-1)
    nearby = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=-1)
    middle = np.median(nearby, axis=-1)
    return np.abs(levels - middle) < EVEN_STEP * middle + 4


def _has_corners(white: NDArray[np.uint8], to_photo: NDArray[np.float64]) -> bool:
    """Tell whether there is paper in all four corners, as bright as nearby: none is folded away, cut off or hidden."""
    tips = np.stack(np.meshgrid(*(np.array(CORNER_TIPS),) * 2), axis=-1).reshape(-1, 2)
    nearby = np.stack(np.meshgrid(*(np.array(CORNER_NEARBY),) * 2), axis=-1).reshape(-1, 2)
    for flip in ([0, 0], [1, 0], [1, 1], [0, 1]):
        tip, near = (_sampled(white, _through(to_photo, np.abs(part - flip))) for part in (tips, nearby))
        if np.median(tip) < CORNER_LEVEL * np.median(near):
            return False
    return True


def paper_goes_on(white: NDArray[np.uint8], inner: NDArray[np.float64], outer: NDArray[np.float64]) -> bool:
    """Tell whether the paper of a quadrangle goes on beyond its sides, as far as a larger one reaches.

    Beyond a fold it does, a little darker all along; a table, be it as pale as paper, shows its pattern or its colour.

    Args:
        white: (h, w) whiteness at a working size.
        inner: (4, 2) corners of the quadrangle, clockwise, pixels.
        outer: (4, 2) corners of the larger one.
    """
    to_photo = homography(np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64), inner)
    hull = outer.astype(np.float32)
    here = np.maximum(_sampled(white, _strips(to_photo, STRIP)), 1)  # (4, n)
    for far in (1, 2, 3):
        beyond = _strips(to_photo, -far * STRIP)  # (4, n, 2)
        for side, level in zip(beyond, here, strict=True):
            if min(cv2.pointPolygonTest(hull, point.tolist(), True) for point in side) < 2:
                continue  # the larger one ends here as well
            ratio = _sampled(white, side) / level
            middle = float(np.median(ratio))
            if middle < FOLD_STEP or np.median(np.abs(ratio - middle)) > FOLD_SPREAD:
                return False
    return True


def _is_paper(lab: NDArray[np.floating], paper: NDArray[np.float64]) -> NDArray[np.bool_]:
    off = np.hypot(lab[..., 1] - paper[1], lab[..., 2] - paper[2])
    return (off < SAME_COLOUR) & (lab[..., 0] > DARKEST * paper[0])


def _strips(to_photo: NDArray[np.float64], inwards: float) -> NDArray[np.float64]:
    """(4, n, 2) photo pixels along each side, at a distance from it as a share of the side across."""
    along = np.linspace(0.03, 0.97, 60)
    near, far = np.full_like(along, inwards), np.full_like(along, 1 - inwards)
    sides = [(along, near), (far, along), (along[::-1], far), (near, along[::-1])]
    return np.stack([_through(to_photo, np.stack(side, axis=1)) for side in sides])


def _through(matrix: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    lifted = points @ matrix[:, :2].T + matrix[:, 2]
    return lifted[:, :2] / lifted[:, 2:]


def _sampled(image: NDArray[np.uint8] | NDArray[np.float32], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of an image at points (..., 2), linear between pixels."""
    places = points.reshape(1, -1, 2).astype(np.float32)
    values = cv2.remap(image, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return np.asarray(values, np.float64).reshape(*points.shape[:-1], *image.shape[2:])


def trace_border(white: NDArray[np.uint8], corners: NDArray[np.float64], *, reach: float) -> Border | None:
    """Find the four edges near a quadrangle to a fraction of a pixel.

    Args:
        white: (h, w) whiteness of the photo at full size.
        corners: (4, 2) clockwise, photo pixels, right to about ``reach``.
        reach: how far from the quadrangle the edge is looked for, pixels.

    Returns:
        The border; None where a side shows too little of an edge, a gap too long, or too much of a bend.
    """
    sides = []
    for number in range(4):
        side = _side(white, corners[number], corners[(number + 1) % 4], reach)
        if side is None:
            return None
        sides.append(side)
    meeting = [_crossing(sides[number - 1], sides[number]) for number in range(4)]
    return Border(np.stack(meeting), min(side.support for side in sides))


class _Side(NamedTuple):
    """A curve: ``begin + t * along + (a + b t + c t^2) * inwards``, t in pixels from the middle."""

    middle: NDArray[np.float64]
    along: NDArray[np.float64]
    inwards: NDArray[np.float64]
    curve: NDArray[np.float64]
    """c, b, a."""
    support: float

    def at(self, t: float) -> NDArray[np.float64]:
        return self.middle + t * self.along + np.polyval(self.curve, t) * self.inwards

    def slope(self, t: float) -> NDArray[np.float64]:
        return self.along + np.polyval(np.polyder(self.curve), t) * self.inwards


def _side(white: NDArray[np.uint8], begin: NDArray[np.float64], end: NDArray[np.float64], reach: float) -> _Side | None:
    length = float(np.linalg.norm(end - begin))
    along = (end - begin) / length
    inwards = np.array([-along[1], along[0]])
    middle = (begin + end) / 2
    step = max(1.0, reach / 8)  # in a large photo neighbouring pixels share the blur of an edge
    t = np.linspace(ENDS - 0.5, 0.5 - ENDS, SAMPLES) * length
    across, rise = _edges(white, middle + t[:, np.newaxis] * along, along, inwards, reach=reach, step=step)
    seen = rise > LEAST_RISE
    curve = _robust_curve(t, across, seen, length, reach)
    if curve is None:
        return None
    close = max(1.0, 0.0012 * length)
    on = seen & (np.abs(across - np.polyval(curve, t)) < close)
    if on.mean() < LEAST_SUPPORT or _longest_gap(on) > LONGEST_GAP:
        return None
    if abs(curve[0]) * (length / 2) ** 2 > STRAIGHT * length:
        return None
    return _Side(middle, along, inwards, curve, float(on.mean()))


def _edges(
    white: NDArray[np.uint8],
    places: NDArray[np.float64],
    along: NDArray[np.float64],
    inwards: NDArray[np.float64],
    *,
    reach: float,
    step: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,) how far inwards of each place the innermost edge lies, in pixels, and (n,) its rise per sample."""
    offsets = np.arange(-np.ceil(reach / step) - 2, np.ceil(reach / step) + 3) * step
    beside = (np.arange(THICK) - THICK // 2) * step
    grid = (
        places[:, np.newaxis, np.newaxis] + beside[:, np.newaxis, np.newaxis] * along + offsets[:, np.newaxis] * inwards
    )  # (n, thick, offsets, 2)
    profile = cv2.GaussianBlur(_sampled(white, grid).mean(axis=1), (5, 1), 1.0)
    rise = np.asarray(profile[:, 2:] - profile[:, :-2], np.float64) / 2
    rise[:, [0, -1]] = 0
    middle = rise[:, 1:-1]
    edge = (middle >= rise[:, :-2]) & (middle > rise[:, 2:]) & (middle > LEAST_RISE)
    innermost = rise.shape[1] - 2 - edge[:, ::-1].argmax(axis=1)  # a pattern on the table has edges of its own
    peak = np.where(edge.any(axis=1), innermost, 1)
    left, top, right = (rise[np.arange(len(rise)), peak + k] for k in (-1, 0, 1))
    bow = np.maximum(2 * top - left - right, 1e-6)
    exact = peak + np.clip((right - left) / (2 * bow), -0.5, 0.5)
    return offsets[1] + exact * step, top


def _robust_curve(
    t: NDArray[np.float64], across: NDArray[np.float64], seen: NDArray[np.bool_], length: float, reach: float
) -> NDArray[np.float64] | None:
    """Fit (c, b, a) to what most of the side agrees on: the best line of many, then a parabola to what is near it."""
    if seen.mean() < LEAST_SUPPORT:
        return None
    near = max(1.5, 0.003 * length)
    chosen = np.flatnonzero(seen)
    firsts, lasts = chosen[: len(chosen) // 2 : 2], chosen[len(chosen) // 2 :: 2]
    one, other = (part.ravel() for part in np.meshgrid(firsts, lasts))
    apart = t[other] - t[one] > 0.3 * length
    one, other = one[apart], other[apart]
    if not len(one):
        return None
    slopes = (across[other] - across[one]) / (t[other] - t[one])
    levels = across[one] - slopes * t[one]
    off = np.abs(across[chosen] - slopes[:, np.newaxis] * t[chosen] - levels[:, np.newaxis])
    best = int(np.minimum(off, near).sum(axis=1).argmin())
    curve = np.array([0.0, slopes[best], levels[best]])
    for close in (near, near, max(1.0, 0.0012 * length)):
        on = seen & (np.abs(across - np.polyval(curve, t)) < close)
        if on.sum() < 0.3 * len(t):
            return None
        spans = np.ptp(t[on]) > 0.85 * length
        fitted = np.polyfit(t[on] / length, across[on], 2 if spans else 1)
        curve = np.concatenate([np.zeros(3 - len(fitted)), fitted]) / [length**2, length, 1.0]
    return curve if np.abs(np.polyval(curve, t)).max() < 2 * reach else None


def _longest_gap(on: NDArray[np.bool_]) -> float:
    ends = np.flatnonzero(np.concatenate([[True], on, [True]]))
    return float(np.diff(ends).max() - 1) / len(on)


def _crossing(before: _Side, after: _Side) -> NDArray[np.float64]:
    """Where the end of one side meets the beginning of the next, by Newton's method."""
    s, t = float(np.linalg.norm(before.middle - after.middle)), -float(np.linalg.norm(before.middle - after.middle))
    s, t = s / 2, t / 2
    for _ in range(6):
        gap = after.at(t) - before.at(s)
        move = np.linalg.solve(np.stack([before.slope(s), -after.slope(t)], axis=1), gap)
        s, t = s + move[0], t + move[1]
    return (before.at(s) + after.at(t)) / 2

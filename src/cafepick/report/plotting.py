"""The little that plots need: scales, axes and an accessible SVG around them. ``page.css`` sets the colours.

A plot is 360 units wide, as a phone is, so that its letters stay legible there and grow with the screen elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cafepick.report.markup import Html, element, join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

WIDTH: Final = 360
MOST_TICKS: Final = 6


@dataclass(frozen=True)
class Scale:
    """Maps values from ``low`` to ``high`` onto pixels from ``start`` to ``end``, evenly or by their logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    """``low`` must be above 0 then."""

    def place(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the pixels of ``values``, of the same shape; equal values give equal pixels."""
        low, high, given = (self._bend(v) for v in (self.low, self.high, values))
        return self.start + (given - low) / (high - low) * (self.end - self.start)

    def at(self, value: float) -> float:
        """Return the pixel of one value."""
        return float(self.place(value))

    def ticks(self) -> list[float]:
        """Return round values to label, at most ``MOST_TICKS``."""
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)))
            marks = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
            inside = [mark for mark in marks if self.low <= mark <= self.high]
            return inside[:: max(-(-len(inside) // MOST_TICKS), 1)]
        span = self.high - self.low
        power = 10.0 ** math.floor(math.log10(span / MOST_TICKS))
        step = next(digit * power for digit in (1, 2, 5, 10, 20) if span / (digit * power) <= MOST_TICKS - 1)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [n * step for n in range(first, last + 1)]

    def _bend(self, values: ArrayLike) -> NDArray[np.float64]:
        plain = np.asarray(values, np.float64)
        return np.log10(plain) if self.log else plain


def drawing(identity: str, height: float, title: str, description: str, *parts: str) -> Html:
    """Build an SVG that a screen reader can tell about.

    Args:
        identity: what its ids begin with; unique in the page.
        height: in units of which ``WIDTH`` fill its width.
        title: what it is.
        description: what it shows, in words.
        parts: its content.
    """
    return element(
        "svg",
        element("title", title, id=f"{identity}-title"),
        element("desc", description, id=f"{identity}-text"),
        *parts,
        viewBox=f"0 0 {WIDTH} {height:g}",
        role="img",
        aria_labelledby=f"{identity}-title {identity}-text",
    )


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Html:
    """Build a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def label(text: str, x: float, y: float, *, anchor: str = "start", class_: str | None = None) -> Html:
    """Build a text; ``anchor`` is start, middle or end."""
    return element("text", text, x=x, y=y, text_anchor=None if anchor == "start" else anchor, class_=class_)


def curve(points: Sequence[tuple[float, float]], x: Scale, y: Scale) -> Html:
    """Build a line through ``points``, without those that lie on the way between their neighbours."""
    if not points:
        return Html("")
    values = np.asarray(points, np.float64)
    placed = np.round(np.stack([x.place(values[:, 0]), y.place(values[:, 1])], axis=1), 1)  # (n, 2)
    steps = np.diff(placed, axis=0)
    kept = placed[np.concatenate([[True], steps.any(axis=1)])]
    before, after = np.diff(kept, axis=0)[:-1], np.diff(kept, axis=0)[1:]
    turns = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) > 1e-9
    corners = kept if len(kept) < 3 else kept[np.concatenate([[True], turns, [True]])]
    return element("polyline", points=" ".join(f"{px:g},{py:g}" for px, py in corners), class_="curve")


def x_axis(scale: Scale, top: float, bottom: float, write: Callable[[float], str], title: str) -> Html:
    """Build vertical grid lines from ``top`` to ``bottom``, their numbers below and the axis's title."""
    parts: list[Html] = []
    for tick in scale.ticks():
        at = scale.at(tick)
        anchor = "end" if at > WIDTH - 16 else "middle"
        parts += [line(at, top, at, bottom, "grid"), label(write(tick), at, bottom + 14, anchor=anchor)]
    middle = (scale.start + scale.end) / 2
    return join([*parts, label(title, middle, bottom + 31, anchor="middle", class_="axis")])


def y_axis(scale: Scale, left: float, right: float, write: Callable[[float], str], title: str) -> Html:
    """Build horizontal grid lines from ``left`` to ``right``, their numbers at the left and the title above."""
    parts: list[Html] = []
    for tick in scale.ticks():
        at = scale.at(tick)
        parts += [line(left, at, right, at, "grid"), label(write(tick), left - 6, at + 4, anchor="end")]
    return join([*parts, label(title, 0, scale.end - 12, class_="axis")])


def bars(boxes: Iterable[tuple[float, float, float, float]], class_: str) -> Html:
    """Build rectangles (x, y, width, height) as one path."""
    return element(
        "path", d="".join(f"M{x:.1f} {y:.1f}h{w:.1f}v{h:.1f}h{-w:.1f}z" for x, y, w, h in boxes), class_=class_
    )


def dots(centres: Iterable[tuple[float, float]], radius: float, class_: str) -> Html:
    """Build filled circles as one path."""
    r = f"{radius:g}"
    turn = f"a{r} {r} 0 1 0 {2 * radius:g} 0a{r} {r} 0 1 0 {-2 * radius:g} 0z"
    return element("path", d="".join(f"M{x - radius:.1f} {y:.1f}{turn}" for x, y in centres), class_=class_)

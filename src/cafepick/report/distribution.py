"""The plot that shows most: the scores of each class, and on which side of the threshold they lie."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from cafepick.report.markup import Html, join
from cafepick.report.plotting import WIDTH, Scale, bars, dots, drawing, label, line, x_axis
from cafepick.report.words import score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cafepick.report.results import Results
    from cafepick.report.words import Words
    from cafepick.types import SubjectRow

MOST_CLASSES: Final = 16
"""The largest are drawn; the table has all."""
MOST_DOTS: Final = 40
"""A class of more subjects is drawn as a histogram, because dots would hide one another."""
LOG_FROM: Final = 8.0
"""Above this ratio of the highest score to the median, even steps would squeeze most scores into a corner."""

_TOP, _ROW, _BAR = 20, 56, 30
_BIN = 6.0
_RADIUS = 2.5


class ClassScores(NamedTuple):
    """The scores of one class."""

    name: str
    good: bool
    """It is to be called OK."""
    values: NDArray[np.float64]
    """(n,) finite, n at least 1."""


def scores_by_class(rows: Sequence[SubjectRow], results: Results) -> list[ClassScores]:
    """Collect the finite scores of each class: good ones first, then by their medians, highest last."""
    collected: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row.label is not None and row.score is not None and np.isfinite(row.score):
            collected[row.label].append(row.score)
    classes = [ClassScores(name, results.is_good(name), np.asarray(values)) for name, values in collected.items()]
    return sorted(classes, key=lambda c: (not c.good, float(np.median(c.values)), c.name))


def largest(classes: Sequence[ClassScores]) -> list[ClassScores]:
    """Return the good and the largest other classes, ``MOST_CLASSES`` at most, in their order."""
    by_size = sorted(classes, key=lambda c: (not c.good, -len(c.values)))
    kept = {c.name for c in by_size[:MOST_CLASSES]}
    return [c for c in classes if c.name in kept]


def is_wide(classes: Sequence[ClassScores], threshold: float | None) -> bool:
    """Tell whether the scores spread so far that a logarithmic scale shows them better."""
    values = np.concatenate([c.values for c in classes])
    lowest = values.min() if threshold is None else min(values.min(), threshold)
    return bool(lowest > 0 and values.max() > LOG_FROM * np.median(values))


def distribution(classes: Sequence[ClassScores], threshold: float | None, words: Words) -> Html:
    """Draw one row for each class.

    Args:
        classes: from top to bottom; at least one.
        threshold: scores above it are NG; None: no line is drawn.
        words: of the language.
    """
    scale = _scale(classes, threshold)
    bottom = _TOP + _ROW * len(classes)
    rows = [_row(one, scale, threshold, words, top=_TOP + _ROW * n) for n, one in enumerate(classes)]
    limit = words("missing") if threshold is None else score(threshold)
    told = " ".join(
        words("scores.row", name=c.name, n=len(c.values), median=score(float(np.median(c.values)))) for c in classes
    )
    return drawing(
        "scores",
        bottom + 38,
        words("scores.title"),
        words("scores.description", threshold=limit, rows=told),
        x_axis(scale, _TOP, bottom, score, words("scores.axis_log" if scale.log else "scores.axis")),
        *(
            []
            if threshold is None
            else [_threshold(scale.at(threshold), bottom, words("scores.threshold", value=limit))]
        ),
        *rows,
    )


def _scale(classes: Sequence[ClassScores], threshold: float | None) -> Scale:
    values = np.concatenate([*(c.values for c in classes), [] if threshold is None else [threshold]])
    low, high = float(values.min()), float(values.max())
    if is_wide(classes, threshold):
        return Scale(low / 1.1, high * 1.1, 8, WIDTH - 8, log=True)
    margin = 0.04 * (high - low) or max(abs(high), 1.0)
    return Scale(low - margin, high + margin, 8, WIDTH - 8)


def _row(one: ClassScores, scale: Scale, threshold: float | None, words: Words, *, top: float) -> Html:
    """Draw one class: its name, its number, the share of NG, and its scores."""
    floor = top + _ROW - 4
    values = one.values
    placed = scale.place(values)
    origin = 0.0 if threshold is None else scale.at(threshold)
    ng = values > (np.inf if threshold is None else threshold)
    wrong = ng if one.good or threshold is None else ~ng
    draw = _histogram if len(values) > MOST_DOTS else _strip
    shown = one.name if len(one.name) <= 24 else f"{one.name[:23]}…"
    parts = [
        label(shown, 8, top + 14, class_="strong"),
        line(scale.start, floor, scale.end, floor, "floor"),
        draw(placed, wrong, floor, origin),
    ]
    if threshold is not None:
        share = words("scores.ng", share=words.percent(float(np.mean(ng))))
        parts.append(label(f"n = {len(values):,} · {share}", WIDTH - 8, top + 14, anchor="end", class_="tag"))
    return join(parts)


def _histogram(placed: NDArray[np.float64], wrong: NDArray[np.bool_], floor: float, origin: float) -> Html:
    """Draw bars over bins of equal width; ``origin``, the threshold, is an edge, so that no bin has both sides."""
    edges = origin + _BIN * np.arange(np.floor(-origin / _BIN), np.ceil((WIDTH - origin) / _BIN) + 1)
    of_bin = np.digitize(placed, edges, right=True)  # a score that equals the threshold is OK
    counts = np.bincount(of_bin)
    heights = counts * (_BAR / counts.max())
    is_wrong = np.bincount(of_bin, wrong) > 0
    boxes = {
        kind: [
            (edges[n - 1], floor - heights[n], _BIN - 0.8, heights[n])
            for n in np.flatnonzero(counts)
            if is_wrong[n] == (kind == "wrong")
        ]
        for kind in ("right", "wrong")
    }
    return join(bars(of_kind, kind) for kind, of_kind in boxes.items())


def _strip(placed: NDArray[np.float64], wrong: NDArray[np.bool_], floor: float, origin: float) -> Html:
    """Draw a dot for each subject, piled up where they are close; no pile spans ``origin``, the threshold."""
    piles: dict[int, int] = defaultdict(int)
    centres: dict[str, list[tuple[float, float]]] = {"right": [], "wrong": []}
    for x, is_wrong in sorted(zip(placed.tolist(), wrong.tolist(), strict=True)):
        pile = math.ceil((x - origin) / (2 * _RADIUS))
        height = min(_RADIUS + 2 * _RADIUS * piles[pile], _BAR)
        piles[pile] += 1
        centres["wrong" if is_wrong else "right"].append((x, floor - height))
    return join(dots(at, _RADIUS, kind) for kind, at in centres.items())


def _threshold(x: float, bottom: float, text: str) -> Html:
    anchor = "start" if x < 90 else "end" if x > WIDTH - 90 else "middle"
    return join([line(x, _TOP - 6, x, bottom, "threshold"), label(text, x, _TOP - 10, anchor=anchor, class_="strong")])

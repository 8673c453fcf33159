"""Which views of a bean are judged, and one answer out of several.

A view is the better, the sharper it is. A view whose area is far from what the others show comes last, however sharp:
there the outline has lost a part of the bean, or taken in a part of its neighbour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cafepick.watch.records import View

Agreement = Literal["all", "any"]

ODD_AREA: Final = 0.15
"""Share by which the area of a view may differ from the median of all."""


def best_views(views: Sequence[View], count: int) -> tuple[View, ...]:
    """Return so many of the best views, best first."""
    usual = float(np.median([view.area for view in views])) if views else 0.0
    order = sorted(views, key=lambda view: (abs(view.area / usual - 1) > ODD_AREA, -view.sharpness, view.frame))
    return tuple(order[:count])


def keep_best(views: Sequence[View], count: int) -> list[View]:
    """Return the views worth keeping, in order of time: twice as many as will be judged, to know the usual area."""
    if len(views) <= 2 * count + 1:
        return list(views)
    return sorted(best_views(views, 2 * count + 1), key=lambda view: view.frame)


class Combined(NamedTuple):
    """One answer out of several views."""

    p_value: float
    deciding: int
    """Which view decided."""


def combine(p_values: Sequence[float], agreement: Agreement) -> Combined:
    r"""Combine the p-values of the views of one bean so that the promised false-reject rate holds for beans.

    - ``all``: the highest. A bean is NG only if each of its views says so. A good bean is then rejected at most as
      often as by any one view alone, however alike the views are. Right for a flat belt: all views show the same side,
      so what is really there shows in all of them, and what shows in one only is blur or a wrong outline.
    - ``any``: K times the lowest of K (Bonferroni), at most 1. One view can condemn, at a rate K times as strict. Right
      for beans that roll, because a defect then shows on some views only.

    In both, $P(p \le \alpha) \le \alpha$ for a good bean whatever the dependence between its views.
    """
    if agreement == "all":
        deciding = int(np.argmax(p_values))
        return Combined(float(p_values[deciding]), deciding)
    deciding = int(np.argmin(p_values))
    return Combined(min(1.0, len(p_values) * float(p_values[deciding])), deciding)

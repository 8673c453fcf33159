r"""How surprising a score is among those of good subjects: scores of different units become comparable.

The surprise is $-\log p$, p how likely a good subject is to score so high. Beyond the highest scores of good ones the
tail is taken for exponential (peaks over threshold; Coles, An Introduction to Statistical Modeling of Extreme Values,
2001, chapter 4, with shape 0), so that a subject that is much worse still surprises more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cafepick.errors import TrainingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

TAIL: Final = 0.05
"""Share of the good scores from which the exponential tail is estimated."""
FEWEST_IN_TAIL: Final = 20
"""Good scores that tell it, where there are as many: by 20 its mean is known to a fifth or so, by 5 hardly at all."""
KNOTS: Final = 21
"""Good scores below the tail between which p is interpolated. Between each and the next, two that happen to coincide
would make a step, and another runtime's last digit would fall on its other side."""
FINEST: Final = 1e-3
"""Excess of the tail at least, as a share of where it starts: scores that agree to so much are alike."""


@dataclass(frozen=True, eq=False)
class Surprise:
    """The scale of one part."""

    good: NDArray[np.float64]
    """(n,) scores of good subjects, ascending."""

    @classmethod
    def fit(cls, scores: NDArray[np.float64]) -> Surprise:
        """Keep the scores of good subjects, in any order.

        Raises:
            TrainingError: there are fewer than 2, or one is not finite.
        """
        if len(scores) < 2 or not np.isfinite(scores).all():
            raise TrainingError(f"parts are fused on the finite scores of 2 good subjects or more, got {len(scores)}")
        return cls(np.sort(scores))

    def of(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        r"""Return $-\log p$ of scores (n,): 0 where every good subject scores higher; it never falls as they grow."""
        n = len(self.good)
        in_tail = min(max(round(TAIL * n), FEWEST_IN_TAIL), n)
        start = self.good[n - in_tail]
        excess = max(float((self.good[n - in_tail :] - start).mean()), FINEST * (1 + abs(start)))
        ranks = np.unique(np.linspace(0, n - in_tail, KNOTS).astype(int))  # of the good scores up to the tail's start
        knots, first = np.unique(self.good[ranks], return_index=True)  # of equal ones, all of which score so high
        levels = -np.log((n - ranks[first]) / n)
        body = np.interp(scores, knots, levels)
        return np.where(scores > start, levels[-1] + (scores - start) / excess, body)

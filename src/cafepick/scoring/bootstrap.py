r"""How far a metric may be off because other photos might have been taken: the percentile bootstrap, by photo.

Beans of one photo share light, lot and sharpness, so photos are what is drawn anew, with replacement (a cluster
bootstrap; Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8). Where each photo holds one
subject this is the bootstrap over subjects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

CONFIDENCE: Final = 0.95
ROUNDS: Final = 1000
"""How often all photos are drawn anew."""

NORMAL_QUANTILE: Final = 1.959963984540054
"""97.5 % quantile of the normal distribution."""


class Interval(NamedTuple):
    """A value and the 95 % interval around it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Resampling:
    """How often each subject counts in each round; the same draws serve every metric."""

    counts: NDArray[np.uint16]
    """(rounds, n)."""
    lone: bool
    """All good or all defective subjects lie in one photo, so nothing is known of how photos differ."""

    @classmethod
    def by_photo(
        cls, photos: NDArray[np.int64], defective: NDArray[np.bool_], *, rounds: int = ROUNDS, seed: int = 0
    ) -> Resampling:
        """Draw the photos anew, as many as there are.

        Photos with good subjects only, with defective ones only and with both are drawn separately, so that both
        classes are there in every round. A photo that is alone of its kind is always there; its subjects are drawn
        instead.

        Args:
            photos: (n,) number of the photo that each subject lies in.
            defective: (n,) True for defective.
            rounds: how often to draw.
            seed: equal seeds give equal draws.
        """
        rng = np.random.default_rng(seed)
        counts = np.zeros((rounds, len(photos)), np.uint16)
        kinds = _kind_of_photo(photos, defective)
        for kind in np.unique(kinds):
            members = np.flatnonzero(kinds == kind)
            drawn, of_member = np.unique(photos[members], return_inverse=True)
            if len(drawn) > 1:
                counts[:, members] = _draw(rng, len(drawn), rounds)[:, of_member]
                continue
            for part in (members[defective[members]], members[~defective[members]]):
                counts[:, part] = _draw(rng, len(part), rounds)
        lone = any(len(np.unique(photos[part])) == 1 < part.sum() for part in (defective, ~defective))
        return cls(counts, lone)

    def interval(self, metric: Callable[[NDArray[np.float64]], float]) -> Interval:
        """Return the metric of the subjects at hand, and the 2.5 % and 97.5 % quantiles over the rounds.

        Args:
            metric: takes how often each of the n subjects counts, (n,).
        """
        value = metric(np.ones(self.counts.shape[1]))
        return Interval(value, *_middle([metric(weights.astype(np.float64)) for weights in self.counts]))

    def share(self, flags: NDArray[np.bool_]) -> Interval:
        """Return the share of subjects with a flag (n,), n at least 1.

        Where hardly any or nearly all have it the bootstrap sees too little: with 0 of 50 it would say 0 for certain.
        So the interval reaches at least as far as that of Wilson (JASA 22, 1927, page 209) for n independent subjects.
        """
        drawn = _middle(self.counts[:, flags].sum(axis=1) / self.counts.sum(axis=1))
        alone = wilson(int(flags.sum()), len(flags))
        return Interval(float(flags.mean()), min(drawn[0], alone[0]), max(drawn[1], alone[1]))


def weighted_auroc(defective: NDArray[np.bool_], scores: NDArray[np.float64]) -> Callable[[NDArray[np.float64]], float]:
    """Return a function of weights (n,) that equals ``metrics.auroc`` of subjects repeated so often."""
    order, starts = _ties(scores)
    bad_flags = defective[order]

    def metric(weights: NDArray[np.float64]) -> float:
        weights = weights[order]
        bad = np.add.reduceat(weights * bad_flags, starts)
        good = np.add.reduceat(weights, starts) - bad
        good_below = np.cumsum(good) - good
        return float(bad @ (good_below + good / 2) / (bad.sum() * good.sum()))

    return metric


def weighted_average_precision(
    defective: NDArray[np.bool_], scores: NDArray[np.float64]
) -> Callable[[NDArray[np.float64]], float]:
    """Return a function of weights (n,) that equals ``metrics.average_precision`` of subjects repeated so often."""
    order, starts = _ties(-scores)
    bad_flags = defective[order]

    def metric(weights: NDArray[np.float64]) -> float:
        weights = weights[order]
        bad = np.add.reduceat(weights * bad_flags, starts)
        found, called = np.cumsum(bad), np.cumsum(np.add.reduceat(weights, starts))
        precision = np.divide(found, called, out=np.zeros_like(found), where=called > 0)
        return float(bad @ precision / found[-1])

    return metric


def wilson(count: int, total: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share ``count / total``, ``total`` at least 1."""
    square = NORMAL_QUANTILE**2
    middle = (count + square / 2) / (total + square)
    half = NORMAL_QUANTILE / (total + square) * np.sqrt(count * (total - count) / total + square / 4)
    low = 0.0 if count == 0 else float(middle - half)
    high = 1.0 if count == total else float(middle + half)
    return low, high


def _middle(drawn: NDArray[np.float64] | list[float]) -> tuple[float, float]:
    """Ends of the interval that holds the middle ``CONFIDENCE`` of the values."""
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _kind_of_photo(photos: NDArray[np.int64], defective: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(n,) for each subject what its photo holds: 1 defective, 2 good, 3 both."""
    _, of_photo = np.unique(photos, return_inverse=True)
    has_bad = np.bincount(of_photo, defective) > 0
    has_good = np.bincount(of_photo, ~defective) > 0
    return (has_bad + 2 * has_good)[of_photo]


def _draw(rng: np.random.Generator, count: int, rounds: int) -> NDArray[np.uint16]:
    """(rounds, count) how often each of ``count`` things comes when as many are drawn with replacement."""
    if count == 0:
        return np.zeros((rounds, 0), np.uint16)
    return rng.multinomial(count, np.full(count, 1 / count), size=rounds).astype(np.uint16)


def _ties(values: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Order of ascending values, and the positions in it where each distinct value starts."""
    order = np.argsort(values, kind="stable")
    return order, np.concatenate([[0], np.flatnonzero(np.diff(values[order])) + 1])

r"""From scores of good subjects to a promise: p-values and a threshold at a chosen false-reject rate.

Split conformal prediction (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005; Papadopoulos et
al., ECML 2002). Good subjects that training never saw are scored, $g_1 \le \dots \le g_n$. A new score $s$ gets

$$p(s) = \frac{1 + \#\{i : g_i \ge s\}}{n + 1}$$

and is NG if $p(s) \le \alpha$. When the new subject is good and exchangeable with the calibration subjects (taken in
the same way, under the same light), this happens with probability $\alpha$ at most, whatever the model, the scores'
distribution and their ties. That is a mean over calibrations; ``upper_bound`` says how far one calibration can be off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cafepick.errors import CalibrationError, ConfigError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Calibration:
    """Scores of good subjects that training never saw; ``Calibration.fit`` makes one."""

    scores: NDArray[np.float64]
    """(n,) finite, ascending."""

    @classmethod
    def fit(cls, scores: ArrayLike) -> Calibration:
        """Keep the scores of good subjects, in any order.

        Raises:
            CalibrationError: there is no score, or one is NaN or infinite.
        """
        good = np.sort(_finite(scores, "good"))
        if good.size == 0:
            raise CalibrationError("calibration needs scores of good subjects, got none: add photos of good subjects")
        return cls(good)

    def __len__(self) -> int:
        return len(self.scores)

    def p_values(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Share of good subjects that would score at least this high, the new one counted among them.

        Args:
            scores: of new subjects, of any shape.

        Returns:
            As many values in [1 / (n + 1), 1].

        Raises:
            CalibrationError: a score is NaN or infinite.
        """
        below = np.searchsorted(self.scores, _finite(scores, "new"), side="left")  # good scores < s
        return (1 + len(self) - below) / (len(self) + 1)

    def threshold(self, false_reject: float) -> float:
        """Return the score above which a subject is NG: ``score > threshold`` exactly where ``p <= false_reject``.

        It is the k-th largest good score with k = floor(false_reject * (n + 1)), so it grows as the rate shrinks.

        Raises:
            ConfigError: the rate is not between 0 and 1.
            CalibrationError: there are fewer than ``needed(false_reject)`` good subjects.
        """
        return float(self.scores[len(self) - self._rank(false_reject)])

    def upper_bound(self, false_reject: float, confidence: float = 0.95) -> float:
        r"""Bound the share of good subjects that this calibration's threshold will reject in the long run.

        Over random calibrations of n good subjects with continuous scores that share follows
        $\mathrm{Beta}(k, n + 1 - k)$ with $k = \lfloor\alpha(n + 1)\rfloor$; ties only make it smaller. The bound is
        its quantile at ``confidence``. Vovk, Conditional validity of inductive conformal predictors, ACML 2012;
        Angelopoulos and Bates, arXiv 2107.07511, section 3.2.

        Args:
            false_reject: rate that the threshold is set for.
            confidence: share of calibrations for which the bound holds.

        Raises:
            ConfigError: a rate is not between 0 and 1.
            CalibrationError: as for ``threshold``.
        """
        check_share(confidence, "the confidence")
        return _beta_quantile(self._rank(false_reject), len(self), confidence)

    def _rank(self, rate: float) -> int:
        """Return the largest k with k / (n + 1) <= rate, in the very arithmetic of ``p_values``."""
        least = needed(rate)
        if len(self) < least:
            raise CalibrationError(
                f"a false-reject rate of {100 * rate:#.3g} % needs at least {least} good subjects, got {len(self)}: "
                f"add good photos, or raise --false-reject to {math.ceil(1e4 / (len(self) + 1)) / 1e4:g} or more"
            )
        count = len(self) + 1
        rank = round(rate * count)  # right, or one too many
        return rank if rank / count <= rate else rank - 1


def needed(false_reject: float) -> int:
    """Return the smallest number n of good subjects with 1 / (n + 1) <= ``false_reject``: 99 for 1 %.

    Raises:
        ConfigError: the rate is not between 0 and 1.
    """
    check_share(false_reject, "--false-reject")
    count = max(math.floor(min(1 / false_reject, 2**53)), 2)  # right, or one too few; nobody has more beans
    return count - 1 if 1 / count <= false_reject else count


def binomial_tail(successes: int, count: int, chance: float) -> float:
    """Return the probability of at least ``successes`` in ``count`` independent trials, each of chance ``chance``."""
    return 1 - _fewer(successes, count, chance)


def _finite(scores: ArrayLike, which: str) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    if bad := int(np.sum(~np.isfinite(values))):
        raise CalibrationError(
            f"scores must be finite numbers, got NaN or infinity for {bad} of {values.size} {which} subjects: "
            f"the model is broken, train it anew"
        )
    return values


def check_share(value: float, name: str) -> None:
    """Refuse what is no share of a whole.

    Raises:
        ConfigError: it is not between 0 and 1.
    """
    if not 0 < value < 1:
        hint = f": {value:g} % is {value / 100:g}" if 1 <= value < 100 else ""
        raise ConfigError(f"{name} must lie between 0 and 1, both excluded, got {value}{hint}")


def _beta_quantile(rank: int, count: int, confidence: float) -> float:
    r"""Quantile of $\mathrm{Beta}(k, n + 1 - k)$ for whole k in 1..n, by bisection.

    Its distribution function at x is the chance of at least k successes in n trials of chance x (DLMF 8.17.5), so the
    quantile is the x at which fewer than k successes have the chance ``1 - confidence``.
    """
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        if _fewer(rank, count, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _fewer(rank: int, count: int, chance: float) -> float:
    """Return the probability of fewer than ``rank`` successes in ``count`` trials of ``chance`` in (0, 1)."""
    if rank == 0:
        return 0.0
    successes = np.arange(rank)  # 0 .. k - 1
    ratios = (count - successes[1:] + 1) / successes[1:]
    log_choices = np.concatenate([[0.0], np.cumsum(np.log(ratios))])  # log C(n, j)
    log_terms = log_choices + successes * math.log(chance) + (count - successes) * math.log1p(-chance)
    return float(np.exp(log_terms).sum())

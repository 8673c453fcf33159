r"""One score from several parts, each of which sees what the others miss.

The parts have different units, so each is first turned into its surprise (``surprise``): $-\log p$, p how likely a good
subject is to score so high. The fused score is the weighted sum

$$s = \sum_i w_i \cdot (-\log p_i),$$

Fisher's way to join tests. The parts are not independent, so s is no p-value; the calibration that follows, on good
subjects that the networks have not seen, makes it one. Those also give the scales, because a part that takes another
light for a defect shows it only on photos that it did not learn from; each is then scored by scales from the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cafepick.errors import ArtefactError
from cafepick.scoring.surprise import Surprise

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

FOLDS: Final = 5
"""Good subjects that give the scales are scored in so many parts, each by scales that the others gave."""

RECONSTRUCTION: Final = "reconstruction"
"""The anomaly score of AnoGAN: how far the subject is from the closest good one."""
COMPARISON: Final = "comparison"
"""What the learnt comparison of subject and reconstruction says."""
APPEARANCE: Final = "appearance"
"""How unusual size, shape, colour and texture are."""


@dataclass(frozen=True, eq=False)
class Fusion:
    """How the parts become one score."""

    weights: dict[str, float]
    """By name of the part."""
    scales: dict[str, Surprise]

    @classmethod
    def fit(cls, good: Mapping[str, NDArray[np.float64]], weights: Mapping[str, float]) -> Fusion:
        """Learn the scales from the parts' scores of good subjects; parts without weight are left out."""
        used = {name: weight for name, weight in weights.items() if weight > 0 and name in good}
        return cls(used, {name: Surprise.fit(good[name]) for name in used})

    def score(self, parts: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return (n,) fused scores of the parts' scores, each (n,)."""
        used = sorted(self.weights.items())  # as a file has them: sums are the same to the bit
        return np.sum([weight * self.scales[name].of(parts[name]) for name, weight in used], axis=0)

    def fitted_without_self(
        self, good: Mapping[str, NDArray[np.float64]], *, keep: Collection[str] = ()
    ) -> tuple[Fusion, NDArray[np.float64]]:
        """Learn the scales anew; score each good subject by scales that others gave, as a new subject's will be.

        Without that, a subject that scores high would stretch the scale that it is measured by: with 99 subjects, a
        promise of 1 % came out as 1.1 to 1.3 %.

        Args:
            good: each part's scores of n good subjects, n at least 3.
            keep: parts whose scales stay.

        Returns:
            The fusion with scales by all of them, and (n,) fused scores.

        Raises:
            TrainingError: there are too few subjects, or a score is not finite.
        """
        anew = [name for name in self.weights if name not in keep]
        fused = np.empty(len(good[anew[0]]))
        fold = np.arange(len(fused)) % FOLDS
        for part in range(FOLDS):
            others = {name: Surprise.fit(good[name][fold != part]) for name in anew}
            rows = {name: good[name][fold == part] for name in self.weights}
            fused[fold == part] = Fusion(self.weights, {**self.scales, **others}).score(rows)
        scales = {name: Surprise.fit(good[name]) for name in anew}
        return Fusion(self.weights, {**self.scales, **scales}), fused

    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """Return the scales as named arrays, for the artefact; the weights belong in its header."""
        return {name: scale.good for name, scale in self.scales.items()}

    @classmethod
    def from_tensors(cls, weights: Mapping[str, float], tensors: Mapping[str, NDArray[Any]]) -> Fusion:
        """Build it from what ``to_tensors`` gave.

        Raises:
            ArtefactError: the scale of a part is missing or unusable.
        """
        scales = {}
        for name in weights:
            good = tensors.get(name)
            if good is None or good.ndim != 1 or len(good) < 2 or not np.isfinite(good).all():
                raise ArtefactError(f"the model lacks a usable scale of its part {name!r}: train anew")
            scales[name] = Surprise(np.sort(good))
        return cls({name: float(weight) for name, weight in weights.items()}, scales)

"""Do two models judge alike? What the same subjects score by both, and which verdicts follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cafepick.scoring.calibrate import Calibration, needed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cafepick.types import Scored

TOLERANCE: Final = 1e-3
"""Largest difference of two scores, as a share of a score above 1; and of two values of a map."""
LEVELS: Final = 1
"""Largest difference of two reconstructions, in levels of 0..255: a value between two may round to either."""
ON_THRESHOLD: Final = 1e-5
"""A score this near to the threshold, as a share of one above 1, lies on it: the last bits of rounding decide."""
RATES: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""False-reject rates at which verdicts are compared, as far as the calibration supports them."""


@dataclass(frozen=True)
class Agreement:
    """How far two models agree on the same subjects."""

    subjects: int
    score: float
    """Largest difference of two scores, as a share of a score above 1."""
    parts: float
    """Alike, of residual, discrimination and the parts of the score."""
    map: float
    """Largest difference of two values of an anomaly map."""
    levels: int
    """Largest difference of two reconstructions, in levels of 0..255."""
    verdicts: int
    """Verdicts compared: of each subject, at each of ``RATES`` that the calibration supports."""
    different: int
    """Verdicts that differ."""
    on_threshold: int
    """Verdicts that differ because the score lies on the threshold; not counted in ``different``."""

    def objections(self) -> list[str]:
        """Say in words what is not alike enough; empty where all is."""
        far = {"scores": self.score, "parts of the score": self.parts, "anomaly maps": self.map}
        said = [
            f"{what} differ by up to {value:.2g} where {TOLERANCE:g} is allowed"
            for what, value in far.items()
            if not value <= TOLERANCE  # NaN is not
        ]
        if self.levels > LEVELS:
            said.append(f"reconstructions differ by up to {self.levels} levels of 255 where {LEVELS} is allowed")
        if self.different:
            said.append(f"{self.different} of {self.verdicts} verdicts differ")
        return said


def agreement_of(first: Scored, second: Scored, calibrations: tuple[Calibration, Calibration]) -> Agreement:
    """Compare what two models said of the same n subjects.

    Args:
        first: scores, maps and reconstructions of the first model.
        second: of the second.
        calibrations: of the scores of each.
    """
    different, on_threshold, rates = 0, 0, [rate for rate in RATES if needed(rate) <= len(calibrations[0])]
    for rate in rates:
        limits = [calibration.threshold(rate) for calibration in calibrations]
        apart = (first.score > limits[0]) != (second.score > limits[1])
        near = np.abs(first.score - limits[0]) <= ON_THRESHOLD * max(1, abs(limits[0]))
        different += int(np.sum(apart & ~near))
        on_threshold += int(np.sum(apart & near))
    pairs = [(first.residual, second.residual), (first.discrimination, second.discrimination)]
    pairs += [(scores, second.parts[part]) for part, scores in first.parts.items()]
    return Agreement(
        subjects=len(first.score),
        score=_apart(first.score, second.score),
        parts=max(_apart(*pair) for pair in pairs),
        map=float(np.abs(first.maps - second.maps).max()),
        levels=int(np.abs(first.reconstructions.astype(np.int16) - second.reconstructions).max()),
        verdicts=len(first.score) * len(rates),
        different=different,
        on_threshold=on_threshold,
    )


def same_subjects(calibration: Calibration, before: NDArray[np.float64], after: NDArray[np.float64]) -> Calibration:
    """Return a calibration with the scores of subjects that another model scored replaced by what that model said.

    A good subject that set a threshold lies on it. Were the threshold kept to the bit, that subject's score by another
    model, which differs in its last bits, would fall on either side.

    Args:
        calibration: of the first model.
        before: (n,) scores of any subjects by the first model, those of the calibration among them or not.
        after: (n,) of the same subjects by the second.
    """
    known = dict(zip(map(float, before), map(float, after), strict=True))
    return Calibration.fit([known.get(score, score) for score in map(float, calibration.scores)])


def _apart(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float((np.abs(a - b) / np.maximum(1, np.abs(a))).max())

"""OK or NG at a rate, counts and shares, before and after the operator's corrections.

NG exactly where p <= rate (``scoring.calibrate``), so a rate can change long after the photo was judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from cafepick.detector import FALSE_REJECT
from cafepick.scoring.calibrate import Calibration, needed

LADDER: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Round rates that are offered where the calibration can promise them."""

Said = Literal["fine", "bad"]
Mark = Literal["OK", "NG", "CUT"]


@dataclass(frozen=True)
class Tally:
    """How many beans, and how much of their area, are OK and NG."""

    ok: int
    ng: int
    ok_area: float
    ng_area: float

    @property
    def share(self) -> float | None:
        """NG by number; None where nothing was judged."""
        return self.ng / (self.ok + self.ng) if self.ok + self.ng else None

    @property
    def area_share(self) -> float | None:
        """NG by area; None where nothing was judged."""
        return self.ng_area / (self.ok_area + self.ng_area) if self.ok_area + self.ng_area else None


def mark(bean: Mapping[str, Any], rate: float) -> Mark:
    """Return the verdict on a stored bean at a false-reject rate."""
    if bean["p_value"] is None:
        return "CUT"
    return "NG" if bean["p_value"] <= rate else "OK"


def corrected(machine: Mark, said: str | None) -> Mark:
    """Return the verdict after what the operator said."""
    if machine == "CUT" or said is None:
        return machine
    return "OK" if said == "fine" else "NG"


def tally(beans: Iterable[Mapping[str, Any]], marks: Sequence[Mark]) -> Tally:
    """Count beans and areas by mark."""
    numbers, areas = {"OK": 0, "NG": 0, "CUT": 0}, {"OK": 0.0, "NG": 0.0, "CUT": 0.0}
    for bean, one in zip(beans, marks, strict=True):
        numbers[one] += 1
        areas[one] += bean["area"]
    return Tally(numbers["OK"], numbers["NG"], areas["OK"], areas["NG"])


@dataclass(frozen=True)
class Promises:
    """What a calibration of so many good subjects can promise; their scores do not matter for that."""

    subjects: int

    @property
    def least(self) -> float:
        """The lowest rate."""
        return 1 / (self.subjects + 1)

    @property
    def highest(self) -> float:
        """The highest p-value below 1."""
        return max(self.subjects / (self.subjects + 1), self.least)

    @property
    def usual(self) -> float:
        """The rate where nobody names one, as ``Detector.usual_rate``."""
        return max(FALSE_REJECT, self.least)

    def check(self, rate: float) -> None:
        """Refuse a rate that cannot be promised.

        Raises:
            ConfigError: it is not between 0 and 1.
            CalibrationError: there are too few good subjects for it.
        """
        self._calibration.threshold(rate)

    def upper_bound(self, rate: float) -> float:
        """Return what the rate may really be at most, with 95 % confidence."""
        return self._calibration.upper_bound(rate)

    def rates(self) -> list[dict[str, float]]:
        """Return the round rates that can be promised, with their bounds."""
        possible = [rate for rate in LADDER if needed(rate) <= self.subjects]
        return [{"rate": rate, "upper_bound": self.upper_bound(rate)} for rate in possible]

    @property
    def _calibration(self) -> Calibration:
        return Calibration.fit(np.arange(max(self.subjects, 1)))

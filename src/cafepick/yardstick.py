"""What the scores of one method are measured by: each method finds other good images, so it needs its own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cafepick.artefact import above, below
from cafepick.scoring.calibrate import Calibration
from cafepick.scoring.fusion import Fusion
from cafepick.scoring.residual import pixel_threshold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cafepick.types import Scored


@dataclass(frozen=True, eq=False)
class Yardstick:
    """Scales and thresholds of one method."""

    fusion: Fusion | None = None
    """How the parts become one score; None: one part is the score."""
    calibration: Calibration | None = None
    """None before good subjects were scored."""
    part_calibrations: Mapping[str, Calibration] = field(default_factory=dict)
    """Of each part by itself."""
    pixel_threshold: float = np.inf
    """Of the anomaly map: what the segmentation leaves unpainted."""

    def calibrated(self, scored: Scored, *, quantile: float) -> Yardstick:
        """Return it with thresholds set by the scores of good subjects that the model was not trained on.

        Raises:
            CalibrationError: there is no subject, or a score is not finite.
        """
        return replace(
            self,
            calibration=Calibration.fit(scored.score),
            part_calibrations={part: Calibration.fit(scores) for part, scores in scored.parts.items()},
            pixel_threshold=pixel_threshold(scored.maps, quantile=quantile),
        )

    def without_calibration(self) -> Yardstick:
        """Return it as it was before good subjects were scored."""
        return Yardstick(fusion=self.fusion)

    def to_tensors(self) -> dict[str, NDArray[Any]]:
        """Return what is to be kept as named arrays."""
        scores = {} if self.calibration is None else {"calibration.scores": self.calibration.scores}
        parts = {part: known.scores for part, known in self.part_calibrations.items()}
        scales = self.fusion.to_tensors() if self.fusion else {}
        return {**above("fusion.", scales), **scores, **above("calibration.part.", parts)}

    def to_header(self) -> dict[str, Any]:
        """Return the rest of what is to be kept, as plain values."""
        weights = {"fusion": self.fusion.weights} if self.fusion else {}
        return weights | ({"pixel_threshold": self.pixel_threshold} if self.calibration is not None else {})

    @classmethod
    def of(cls, header: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Yardstick:
        """Build it from what ``to_header`` and ``to_tensors`` gave.

        Raises:
            ArtefactError: the scale of a part is missing or unusable.
            KeyError: the header lacks the threshold of the map.
        """
        scores, weights = tensors.get("calibration.scores"), header.get("fusion")
        return cls(
            fusion=Fusion.from_tensors(weights, below(tensors, "fusion.")) if weights else None,
            calibration=None if scores is None else Calibration.fit(scores),
            part_calibrations={
                part: Calibration.fit(values) for part, values in below(tensors, "calibration.part.").items()
            },
            pixel_threshold=float(header["pixel_threshold"]),
        )

"""A judge that is as quick as it is simple, and a belt whose beans it can tell apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cafepick.config import CropConfig
from cafepick.detector import Prepared
from cafepick.types import Judgement, ScoreParts, Verdict

DARK = 0.001
"""p-value of a dark bean."""


class DarknessJudge:
    """Judges crops by their lightness: black beans are NG."""

    crop = CropConfig(size=32, scale="relative", zoom=20.0)

    def __init__(self, *, limit: float = 75.0) -> None:
        self.limit = limit
        self.seen: list[np.ndarray] = []
        """Every crop that was judged."""
        self.odd: list[str] = []
        """What is odd about the belt."""

    def judge(self, photos: Sequence[Prepared], *, false_reject: float | None = None) -> list[list[Verdict]]:
        return [[self._one(photo, false_reject or 0.01)] for photo in photos]

    def oddities(self, photo: Prepared) -> list[str]:
        assert photo.conditions is not None
        return self.odd

    def _one(self, photo: Prepared, false_reject: float) -> Verdict:
        (crop,) = photo.crops
        assert crop is not None
        self.seen.append(crop.image)
        score = 255 - float(crop.image[crop.mask].mean())
        p_value = DARK if score > 255 - self.limit else 0.5
        return Verdict(
            bean=1,
            judgement=Judgement.NG if p_value <= false_reject else Judgement.OK,
            box=crop.box,
            scores=ScoreParts(score, score, score),
            p_value=p_value,
        )

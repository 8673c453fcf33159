"""A reason says something that a user can see."""

from __future__ import annotations

import numpy as np
import pytest

from cafepick.scoring.reasons import area_of, in_words
from cafepick.types import Reason


@pytest.mark.parametrize("level", [40, 200])
@pytest.mark.parametrize(("marked", "named"), [(0, False), (4, False), (5, True), (300, True)])
def test_an_area_is_the_reason_from_half_a_percent_of_the_subject(level, marked, named):
    subject = np.zeros((40, 40), bool)
    subject[:25] = True  # 1,000 pixels
    segmentation = ~subject  # what lies beside it does not count
    segmentation.flat[:marked] = True
    image, good = np.full((40, 40, 3), level, np.uint8), np.full((40, 40, 3), 120, np.uint8)
    reason = area_of(image, good, segmentation, subject)
    assert reason == (Reason("area", level > 120, marked / 1000) if named else Reason("combination"))
    assert "0.0 %" not in in_words(reason)

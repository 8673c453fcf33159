"""Two models agree where scores, maps, reconstructions and verdicts do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cafepick.scoring.agreement import Agreement, agreement_of, same_subjects
from cafepick.scoring.calibrate import Calibration
from cafepick.types import Scored

SCORES = np.linspace(1.0, 20.0, 39)
CALIBRATION = Calibration.fit(SCORES)


def scored(scores: np.ndarray = SCORES) -> Scored:
    n = len(scores)
    return Scored(
        residual=100 * scores,
        discrimination=10 * scores,
        score=scores,
        reconstructions=np.full((n, 4, 4, 1), 100, np.uint8),
        maps=np.full((n, 4, 4), 0.5, np.float32),
        parts={"comparison": scores / 100},
    )


def compared(other: Scored, calibration: Calibration = CALIBRATION) -> Agreement:
    return agreement_of(scored(), other, (CALIBRATION, calibration))


def test_equal_results_agree() -> None:
    found = compared(scored())
    assert found == Agreement(39, 0.0, 0.0, 0.0, 0, 39 * 4, 0, 0)  # 5, 10, 20 and 50 % are supported by 39 subjects
    assert found.objections() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"score": SCORES * 1.002}, "scores differ by up to 0.002 where 0.001"),
        ({"score": np.where(SCORES > 19.9, np.nan, SCORES)}, "scores differ by up to nan"),
        ({"residual": SCORES * 100.2}, "parts of the score differ by up to 0.002"),
        ({"discrimination": SCORES * 10.02}, "parts of the score differ"),
        ({"parts": {"comparison": SCORES / 100 + 0.0011}}, "parts of the score differ by up to 0.0011"),
        ({"maps": np.full((39, 4, 4), 0.502, np.float32)}, "anomaly maps differ by up to 0.002"),
        ({"reconstructions": np.full((39, 4, 4, 1), 98, np.uint8)}, "differ by up to 2 levels of 255 where 1 is"),
    ],
)
def test_what_differs_is_said(change: dict[str, object], said: str) -> None:
    objections = compared(replace(scored(), **change)).objections()  # type: ignore[arg-type]
    assert any(said in objection for objection in objections), objections


def test_small_differences_agree() -> None:
    near = replace(scored(SCORES * 1.0001), reconstructions=np.full((39, 4, 4, 1), 101, np.uint8))
    assert compared(near, Calibration.fit(SCORES * 1.0001)).objections() == []


def test_a_verdict_that_differs_is_counted_unless_the_score_lies_on_the_threshold() -> None:
    moved = compared(scored(SCORES * 1.0005))  # every subject on a threshold of its own now lies above it
    assert (moved.different, moved.on_threshold) == (0, 4)
    between = scored(np.append(SCORES[:-1], 19.4))  # 19.4 is NG at 10 % by one calibration and OK by the other
    found = agreement_of(between, between, (CALIBRATION, Calibration.fit(SCORES * 1.1)))
    assert found.different > 0
    assert any("verdicts differ" in objection for objection in found.objections())


def test_subjects_of_a_calibration_count_as_scored_again() -> None:
    before, after = np.array([3.0, 50.0, 1.0]), np.array([3.1, 50.1, 1.1])
    again = same_subjects(Calibration.fit([1.0, 2.0, 3.0]), before, after)
    np.testing.assert_array_equal(again.scores, [1.1, 2.0, 3.1])

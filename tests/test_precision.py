"""Scores are only ever held against thresholds of their own precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cafepick.config import ComparisonConfig, CropConfig, ModelConfig, SearchConfig
from cafepick.detector import HALF_FAST, Detector
from cafepick.errors import CalibrationError
from cafepick.jobs.calibrate import Sample, calibrate
from cafepick.models.build import build_comparison, build_discriminator, build_encoder, build_generator
from cafepick.scoring.exact import Networks
from cafepick.scoring.packed import can_pack

MODEL = ModelConfig(size=32, width=8, latent=12, kernel=4, batch_norm=False)
CROPS = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), np.uint8)


def silent(stage: str, done: int, total: int) -> None:
    pass


def on_a_machine(monkeypatch: pytest.MonkeyPatch, *, with_bfloat16: bool) -> None:
    monkeypatch.setattr("cafepick.scoring.exact.has_bfloat16", lambda _: with_bfloat16)


def calibrated(detector: Detector) -> Detector:
    good = Sample(CROPS, np.empty((len(CROPS), 0)))
    return calibrate(detector, good, where="noise", conditions=None, progress=silent)


@pytest.fixture
def detector() -> Detector:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        networks = Networks.of(MODEL, build_generator(MODEL), build_discriminator(MODEL)).with_quick_methods(
            build_encoder(MODEL), build_generator(MODEL), build_comparison(MODEL, width=8), ComparisonConfig(width=8)
        )
    search = SearchConfig(steps=2, refine_steps=2, candidates=2)
    return Detector(networks, crop=CropConfig(subject="whole", size=32), search=search, method="fast")


def test_a_model_is_calibrated_in_each_precision_and_opened_in_the_quickest(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_machine(monkeypatch, with_bfloat16=True)
    calibrated(detector).save(tmp_path / "m.cafepick")
    half = Detector.load(tmp_path / "m.cafepick")
    full = Detector.load(tmp_path / "m.cafepick", precision="float32")
    assert (half.way, full.way) == (HALF_FAST, "fast")
    assert half.calibration is not None
    assert full.calibration is not None
    for opened in (half, full):
        own = np.sort(opened.score(CROPS).score)
        np.testing.assert_array_equal(np.sort(opened.calibration.scores), own)
    assert not np.array_equal(half.calibration.scores, full.calibration.scores)
    np.testing.assert_allclose(half.calibration.scores, full.calibration.scores, rtol=0.05)
    assert half.using("refine").using("fast").way == HALF_FAST
    assert half.using("fast", precision="float32").threshold(0.1) == full.threshold(0.1)
    assert full.using("fast", precision="bfloat16").threshold(0.1) == half.threshold(0.1)


def test_a_machine_without_bfloat16_judges_in_float32(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_machine(monkeypatch, with_bfloat16=True)
    both = calibrated(detector)
    both.save(tmp_path / "m.cafepick")
    on_a_machine(monkeypatch, with_bfloat16=False)
    opened = Detector.load(tmp_path / "m.cafepick")
    assert opened.way == "fast"
    assert opened.threshold(0.1) == both.using("fast", precision="float32").threshold(0.1)
    again = calibrated(opened)
    again.save(tmp_path / "again.cafepick")  # new thresholds, in float32 alone: those of bfloat16 are gone
    assert HALF_FAST not in {way for way, known in again.yardsticks().items() if known.calibration is not None}
    on_a_machine(monkeypatch, with_bfloat16=True)
    assert Detector.load(tmp_path / "again.cafepick").way == "fast"


@pytest.mark.skipif(not can_pack(), reason="this torch has no packed convolutions")
def test_exact_walks_in_the_quickest_precision_and_is_held_against_the_same_thresholds(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_machine(monkeypatch, with_bfloat16=True)
    search = SearchConfig(steps=30, refine_steps=10, candidates=2)
    calibrated(detector.with_search(search)).save(tmp_path / "m.cafepick")
    half = Detector.load(tmp_path / "m.cafepick", method="exact")
    full = Detector.load(tmp_path / "m.cafepick", method="exact", precision="float32")
    assert (half.precision, full.precision) == ("bfloat16", "float32")
    assert half.threshold(0.1) == full.threshold(0.1)
    found, expected = half.score(CROPS).score, full.score(CROPS).score
    assert not np.array_equal(found, expected)
    np.testing.assert_allclose(found, expected, rtol=0.03)
    assert abs(found - expected).mean() < 0.1 * expected.std()
    on_a_machine(monkeypatch, with_bfloat16=False)
    assert Detector.load(tmp_path / "m.cafepick", method="exact").precision == "float32"


def test_refine_which_ends_before_it_has_settled_is_float32(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_machine(monkeypatch, with_bfloat16=True)
    calibrated(detector).save(tmp_path / "m.cafepick")
    refining = Detector.load(tmp_path / "m.cafepick", method="refine")
    assert refining.precision == refining.using("fast").using("refine").precision == "float32"
    half = Detector.load(tmp_path / "m.cafepick", method="refine", precision="bfloat16")
    np.testing.assert_array_equal(half.score(CROPS).score, refining.score(CROPS).score)


def test_a_precision_without_thresholds_scores_but_does_not_judge(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_machine(monkeypatch, with_bfloat16=False)
    calibrated(detector).save(tmp_path / "m.cafepick")
    half = Detector.load(tmp_path / "m.cafepick", precision="bfloat16")
    assert half.score(CROPS[:2]).score.shape == (2,)
    with pytest.raises(CalibrationError, match="no calibration"):
        half.threshold(0.1)
    assert calibrated(half).threshold(0.1) > 0

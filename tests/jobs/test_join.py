"""The parts of a score: the appearance learnt from all good subjects, scales and thresholds from those kept aside."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cafepick.beans.describe import LIGHT, NAMES
from cafepick.beans.descriptors import layout_of
from cafepick.config import CropConfig, FusionConfig
from cafepick.detector import Detector
from cafepick.jobs.calibrate import ENOUGH_FOR_SCALES, Sample, calibrate_by_kept, digest_of, keep_aside, kept_aside
from cafepick.jobs.join import Joined, join, learn_looks
from cafepick.scoring.appearance import fit_appearance
from cafepick.scoring.calibrate import Calibration
from cafepick.scoring.fusion import APPEARANCE, COMPARISON, RECONSTRUCTION

WEIGHTS = FusionConfig(reconstruction=0.2, comparison=0.5, appearance=1.0)


@pytest.fixture(scope="module")
def lots(quick_model: Path) -> tuple[Sample, Sample]:
    """Good subjects to learn from, and others kept aside: paler, as under another lamp."""
    good = kept_aside(quick_model.with_suffix(".run"), Detector.load(quick_model))
    half = len(good.images) // 2
    shift = np.zeros(good.descriptors.shape[1])
    shift[15:30] = 4.0  # colours
    return (
        Sample(good.images[:half], good.descriptors[:half]),
        Sample(good.images[half:], good.descriptors[half:] + shift),
    )


@pytest.fixture(scope="module")
def joined(quick_model: Path, lots: tuple[Sample, Sample]) -> Joined:
    return joined_of(quick_model, *lots)


def joined_of(model: Path, learnt_from: Sample, kept: Sample, **changes: Any) -> Joined:
    bare = Detector.load(model).with_parts(None, {})
    return join(bare, learnt_from, kept, replace(WEIGHTS, **changes), seed=0, progress=lambda *_: None)


def test_the_appearance_knows_the_light_of_those_kept_aside(joined: Joined, lots: tuple[Sample, Sample]) -> None:
    learnt_from, kept = lots
    blind = fit_appearance(learnt_from.descriptors, seed=0, layout=layout_of(CropConfig()))
    assert joined.detector.appearance is not None
    known = joined.detector.appearance.score(kept.descriptors)
    assert np.median(known) < np.median(blind.score(kept.descriptors)) - 10


def test_those_kept_aside_are_judged_by_an_appearance_without_them(joined: Joined, lots: tuple[Sample, Sample]) -> None:
    learnt_from, kept = lots
    all_of_them = len(learnt_from.descriptors) + len(kept.descriptors)
    blind = fit_appearance(learnt_from.descriptors, seed=0, as_if=all_of_them, layout=layout_of(CropConfig()))
    expected = blind.score(kept.descriptors)
    assert joined.kept.unusual is not None
    np.testing.assert_allclose(joined.kept.unusual, expected)
    ready = calibrate_by_kept(joined.detector, joined.kept, scored=joined.scored, progress=lambda *_: None)
    np.testing.assert_allclose(ready.part_calibrations[APPEARANCE].scores, np.sort(expected))


def test_the_networks_scales_are_of_those_kept_aside(joined: Joined) -> None:
    ready = calibrate_by_kept(joined.detector, joined.kept, scored=joined.scored, progress=lambda *_: None)
    assert ready.fusion is not None
    found = ready.score(joined.kept.images, joined.kept.descriptors)
    np.testing.assert_allclose(ready.fusion.scales[COMPARISON].good, np.sort(found.parts[COMPARISON]))


def test_too_few_kept_aside_leave_the_scales_to_those_learnt_from(
    quick_model: Path, lots: tuple[Sample, Sample]
) -> None:
    learnt_from, kept = lots
    few = Sample(kept.images[: ENOUGH_FOR_SCALES - 1], kept.descriptors[: ENOUGH_FOR_SCALES - 1])
    joined = joined_of(quick_model, learnt_from, few)
    assert joined.scored is None
    ready = calibrate_by_kept(joined.detector, joined.kept, progress=lambda *_: None)
    assert ready.fusion is not None
    assert ready.calibration is not None
    assert len(ready.fusion.scales[COMPARISON].good) == min(len(learnt_from.images), 200)
    assert len(ready.calibration) == len(few.images)


def test_a_promise_by_those_kept_aside_does_not_take_them_for_known(joined: Joined) -> None:
    ready = calibrate_by_kept(joined.detector, joined.kept, scored=joined.scored, progress=lambda *_: None)
    assert ready.calibration is not None
    as_known = ready.score(joined.kept.images, joined.kept.descriptors).score
    assert ready.calibration.threshold(0.1) > np.quantile(as_known, 0.9)


def test_with_the_reconstruction_alone_nothing_is_joined(quick_model: Path, lots: tuple[Sample, Sample]) -> None:
    joined = joined_of(quick_model, *lots, comparison=0.0, appearance=0.0)
    assert joined.detector.fusion is None
    assert joined.kept is lots[1]


def test_a_new_model_with_the_reconstruction_alone_is_calibrated_in_each_way(
    quick_model: Path, lots: tuple[Sample, Sample], tmp_path: Path
) -> None:
    known = Detector.load(quick_model)
    new = Detector(known.networks, crop=known.crop, search=known.search)  # as training leaves it
    ready = calibrate_by_kept(new, lots[1], progress=lambda *_: None)
    ready.save(tmp_path / "model.cafepick")
    for method in ready.networks.methods:
        again = Detector.load(tmp_path / "model.cafepick", method=method)
        found = again.score(lots[1].images)
        assert again.fusion is None
        assert again.calibration is not None
        np.testing.assert_allclose(again.calibration.scores, np.sort(found.score), rtol=1e-5)
        np.testing.assert_array_equal(found.score, found.parts[RECONSTRUCTION])


def test_what_is_kept_survives_the_file(joined: Joined, tmp_path: Path) -> None:
    keep_aside(tmp_path, joined.kept)
    facts = {"training": {"held_back_sha256": digest_of(joined.kept.images)}}
    model = Detector(joined.detector.networks, crop=joined.detector.crop, search=joined.detector.search, facts=facts)
    again = kept_aside(tmp_path, model)
    assert again.photos is joined.kept.photos is None
    for ours, theirs in zip(joined.kept[:3], again[:3], strict=True):
        assert ours is not None
        assert theirs is not None
        np.testing.assert_array_equal(ours, theirs)


def test_maps_of_those_kept_aside_come_from_what_did_not_know_them() -> None:
    """Or the segmentation would be set by places that look too usual, and paint good subjects."""
    crop, nothing = CropConfig(size=32, subject="whole", detail=64), np.zeros((1, 1, 1, 3), np.uint8)
    layout, rng = layout_of(crop), np.random.default_rng(0)
    assert layout.closer is not None
    assert layout.cells is not None
    x = rng.normal(size=(400, 4 * layout.cells + math.prod(layout.closer)))
    kept, learnt, new = np.split(x, [12, 32])
    looks = learn_looks(Sample(nothing, learnt), Sample(nothing, kept), crop, seed=0, progress=lambda *_: None)
    excess = looks.appearance.look(new).excess
    assert excess is not None
    assert looks.unusual.excess is not None
    assert looks.unusual.excess.shape == (12, layout.closer[0])
    assert np.mean(excess > np.quantile(looks.unusual.excess, 0.9)) < 0.12
    known = looks.appearance.look(kept).excess
    assert known is not None
    assert np.mean(excess > np.quantile(known, 0.9)) > 0.2, "so it matters"


@pytest.mark.parametrize(
    "crop",
    [CropConfig(size=32), CropConfig(size=32, subject="whole"), CropConfig(size=32, subject="whole", detail=64)],
    ids=["beans", "whole", "whole, looked at closely"],
)
def test_what_judges_those_kept_aside_is_as_fine_as_what_judges_new_subjects(crop: CropConfig) -> None:
    """It learnt from fewer, and kinds, shrinkage and components go by their number: the promise would break."""
    rng, kept_aside_of_each, known, rate = np.random.default_rng(0), 30, 200, 0.1
    layout = layout_of(crop)
    width = 4 * layout.cells if layout.cells else len(NAMES)
    mixed = np.linalg.qr(rng.normal(size=(width, width)))[0]
    x = (rng.normal(size=(600, width)) * np.arange(1, width + 1) ** -0.5) @ mixed
    if layout.light_last:
        x = np.concatenate([x, np.zeros((len(x), len(LIGHT)))], axis=1)
    if layout.closer:
        x = np.concatenate([x, rng.normal(size=(len(x), math.prod(layout.closer)))], axis=1)
    nothing, realised = np.zeros((1, 1, 1, 3), np.uint8), []
    for seed in range(3):
        kept, learnt, new = np.split(np.random.default_rng(seed).permutation(x), [kept_aside_of_each, known])
        looks = learn_looks(Sample(nothing, learnt), Sample(nothing, kept), crop, seed=seed, progress=lambda *_: None)
        threshold = Calibration.fit(looks.unusual.scores).threshold(rate)
        realised.append(float(np.mean(looks.appearance.score(new) > threshold)))
    assert 0.02 < np.mean(realised) < 0.18, realised

"""Good subjects under another light set the threshold and make the light known, for a model that looks at beans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cafepick.beans.conditions import Range
from cafepick.data.demo import draw_tray
from cafepick.detector import Detector
from cafepick.jobs.calibrate import ENOUGH_FOR_LIGHT, Sample, calibrate, calibrate_by_kept, kept_aside, learns_light
from cafepick.types import Judgement

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from cafepick.detector import Prepared


def in_the_evening(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The photo by a warm lamp, and the camera's other tone for it."""
    tone = 255 * (photo / 255.0) ** 1.25
    return np.clip(tone * (1.0, 0.93, 0.8), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def evening(quick_model: Path) -> tuple[list[Prepared], Sample]:
    detector = Detector.load(quick_model)
    trays = [draw_tray(np.random.default_rng((70, number)), width=800, height=600, beans=40) for number in range(6)]
    prepared = [detector.prepare(in_the_evening(tray.photo)) for tray in trays]
    return prepared, sample_of(prepared[:5], detector)


def sample_of(prepared: list[Prepared], detector: Detector) -> Sample:
    from cafepick.beans.descriptors import descriptors_of

    crops = [crop for photo in prepared for crop in photo.crops if crop]
    return Sample(np.stack([crop.image for crop in crops]), descriptors_of(crops, detector.crop))


def quietly(*_: object) -> None:
    """Progress that nobody watches."""


def test_a_new_light_is_known_after_calibrating_in_it(
    quick_model: Path, evening: tuple[list[Prepared], Sample]
) -> None:
    prepared, good = evening
    before = Detector.load(quick_model)
    shown = Range.of([photo.conditions for photo in prepared[:5] if photo.conditions])
    after = calibrate(before, good, where="evening", conditions=shown, progress=quietly)
    assert before.appearance is not None
    assert after.appearance is not None
    surface = good.descriptors[0, -3:]
    assert before.appearance.light is not None
    assert after.appearance.light is not None
    assert not before.appearance.light.knows(surface)
    assert after.appearance.light.knows(surface)
    assert after.oddities(prepared[5]) == []
    last = sample_of(prepared[5:], after)
    unusual = [float(np.median(one.score(last.descriptors))) for one in (before.appearance, after.appearance)]
    assert unusual[1] < unusual[0] - 1
    rejected = [verdict.judgement is Judgement.NG for verdict in after.judge(prepared[5:], false_reject=0.05)[0]]
    assert np.mean(rejected) <= 0.2


def test_what_comes_of_it_depends_on_the_last_light_alone(
    quick_model: Path, evening: tuple[list[Prepared], Sample], tmp_path: Path
) -> None:
    _, good = evening
    trained = Detector.load(quick_model)
    once, twice = calibrated_in(trained, good), calibrated_in(calibrated_in(trained, good), good)
    assert same(once, twice)
    once.save(tmp_path / "once.cafepick")
    again = Detector.load(tmp_path / "once.cafepick")
    assert same(once, again)
    assert not same(once, trained)
    kept = kept_aside(quick_model.with_suffix(".run"), trained)
    assert same(calibrate_by_kept(again, kept, progress=quietly), trained)
    few = good._replace(images=good.images[:ENOUGH_FOR_LIGHT], descriptors=good.descriptors[:ENOUGH_FOR_LIGHT])
    fewer = good._replace(images=few.images[1:], descriptors=few.descriptors[1:])
    assert learns_light(trained, len(few.images))
    assert not learns_light(trained, len(fewer.images))
    assert not same(calibrated_in(trained, few), trained)
    assert same(calibrated_in(again, fewer), trained)


def test_each_is_scored_without_itself(quick_model: Path, evening: tuple[list[Prepared], Sample]) -> None:
    _, good = evening
    after = calibrated_in(Detector.load(quick_model), good)
    by_heart = after.score(good.images, good.descriptors)
    known = after.part_calibrations["appearance"].scores
    assert np.mean(known) > np.mean(by_heart.parts["appearance"])


def test_an_exported_model_learns_the_light_too(
    exported_model: Path, quick_model: Path, evening: tuple[list[Prepared], Sample]
) -> None:
    _, good = evening
    assert same(calibrated_in(Detector.load(exported_model), good), calibrated_in(Detector.load(quick_model), good))


def calibrated_in(detector: Detector, good: Sample) -> Detector:
    return calibrate(detector, good, where="evening", conditions=None, progress=quietly)


def same(one: Detector, other: Detector) -> bool:
    """Whether two know good beans alike, light and all."""
    assert one.appearance is not None
    assert other.appearance is not None
    ours, theirs = one.appearance.to_tensors(), other.appearance.to_tensors()
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)

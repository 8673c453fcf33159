"""Good subjects under another light set the threshold and make the light known, for a model that looks at beans."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cafepick.beans.conditions import Range
from cafepick.beans.descriptors import descriptors_of
from cafepick.data.sources import open_source
from cafepick.detector import Detector
from cafepick.images import write_image
from cafepick.jobs.calibrate import (
    AGAIN,
    ENOUGH_FOR_LIGHT,
    Sample,
    calibrate,
    calibrate_by_kept,
    calibrate_on,
    kept_aside,
    knows_other_light,
    size_not_learnt,
)
from cafepick.jobs.seen import learnt_prints, without_prints

if TYPE_CHECKING:
    from pathlib import Path

    from cafepick.data.demo import DrawnTray
    from cafepick.detector import Prepared

KNOWN = 6
"""Of the evening's trays, those to calibrate on; the others are new."""


@pytest.fixture(scope="module")
def evening(quick_model: Path, evening_trays: list[DrawnTray]) -> tuple[list[Prepared], Sample]:
    detector = Detector.load(quick_model)
    prepared = [detector.prepare(tray.photo) for tray in evening_trays]
    return prepared, sample_of(prepared[:KNOWN], detector)


def sample_of(prepared: list[Prepared], detector: Detector) -> Sample:
    crops = [crop for photo in prepared for crop in photo.crops if crop]
    photos = [number for number, photo in enumerate(prepared) for crop in photo.crops if crop]
    images, descriptors = np.stack([crop.image for crop in crops]), descriptors_of(crops, detector.crop)
    return Sample(images, descriptors, photos=np.array(photos))


def of_photos(good: Sample, count: int) -> Sample:
    """Return the beans of some photos, the first."""
    assert good.photos is not None
    mine = good.photos < count
    return Sample(good.images[mine], good.descriptors[mine], photos=good.photos[mine])


def quietly(*_: object) -> None:
    """Progress that nobody watches."""


def test_a_new_light_is_known_after_calibrating_in_it(
    quick_model: Path, evening: tuple[list[Prepared], Sample]
) -> None:
    prepared, good = evening
    before = Detector.load(quick_model)
    shown = Range.of([photo.conditions for photo in prepared[:KNOWN] if photo.conditions])
    after = calibrate(before, good, where="evening", conditions=shown, progress=quietly)
    assert before.appearance is not None
    assert after.appearance is not None
    surface = good.descriptors[0, -3:]
    assert before.appearance.light is not None
    assert after.appearance.light is not None
    assert not before.appearance.light.knows(surface)
    assert after.appearance.light.knows(surface)
    assert after.oddities(prepared[0]) == []
    new = sample_of(prepared[KNOWN:], after)
    unusual = [float(np.median(one.score(new.descriptors))) for one in (before.appearance, after.appearance)]
    assert unusual[1] < unusual[0] - 1


def test_new_photos_are_rejected_no_more_often_than_by_the_threshold_alone(
    quick_model: Path, evening: tuple[list[Prepared], Sample]
) -> None:
    """Were beans of one photo scored by each other, four times as many of new photos would be."""
    prepared, _ = evening
    trained = Detector.load(quick_model)
    rejected: dict[str, list[float]] = {"light": [], "threshold": []}
    for first in (0, 1):
        good, new = sample_of(prepared[first::2], trained), sample_of(prepared[1 - first :: 2], trained)
        for name, sample in (("light", good), ("threshold", good._replace(photos=None))):
            after = calibrated_in(trained, sample)
            scores = after.score(new.images, new.descriptors).score
            rejected[name].append(float(np.mean(scores > after.promise(0.1)["threshold"])))
    assert np.mean(rejected["light"]) <= np.mean(rejected["threshold"]) + 0.02
    assert np.mean(rejected["light"]) < 0.15


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
    assert same(calibrated_in(again, good._replace(photos=None)), trained)  # of who knows how many photos


@pytest.mark.parametrize(("photos", "learns"), [(ENOUGH_FOR_LIGHT, True), (ENOUGH_FOR_LIGHT - 1, False)])
def test_few_photos_set_the_threshold_and_teach_no_light(
    quick_model: Path, evening: tuple[list[Prepared], Sample], photos: int, learns: bool
) -> None:
    _, good = evening
    some = of_photos(good, photos)
    before = Detector.load(quick_model)
    after = calibrated_in(before, some)
    assert after.calibration is not None
    assert len(after.calibration) == len(some.images)
    assert knows_other_light(after) is learns
    assert same(after, before) is not learns
    assert knows_other_light(calibrated_in(after, of_photos(good, 1))) is False


def test_trays_photographed_again_count_once(quick_model: Path, evening_trays: list[DrawnTray]) -> None:
    """Were they taken for others, 20 % of new good beans would be rejected at 5 % promised."""
    detector, noise = Detector.load(quick_model), np.random.default_rng(0)
    trays = [tray.photo for tray in evening_trays]

    def shots(photo: np.ndarray) -> list[np.ndarray]:
        other = np.clip(photo[::-1, ::-1] * 1.02 + noise.normal(0, 2, photo.shape), 0, 255)
        return [photo, np.ascontiguousarray(other.astype(np.uint8))]

    rejected = []
    for first in (0, 3):
        good = sample_of(
            [detector.prepare(shot) for tray in trays[first : first + 3] for shot in shots(tray)], detector
        )
        after = calibrated_in(detector, good)
        record = after.facts["calibration"]
        assert record["subjects"] + record[AGAIN] == len(good.images)
        assert record["subjects"] < 0.6 * len(good.images)
        assert not knows_other_light(after), "three photos are too few"
        others = trays[:first] + trays[first + 3 :]
        new = sample_of([detector.prepare(photo) for photo in others], detector)
        rejected.append(np.mean(after.score(new.images, new.descriptors).score > after.promise(0.05)["threshold"]))
    assert np.mean(rejected) < 0.1


def test_who_goes_back_to_what_was_kept_aside_has_its_conditions_too(
    quick_model: Path, evening: tuple[list[Prepared], Sample], drawn_trays: list[DrawnTray], tmp_path: Path
) -> None:
    prepared, good = evening
    trained = Detector.load(quick_model)
    kept = kept_aside(quick_model.with_suffix(".run"), trained)
    photos = [trained.prepare(tray.photo) for tray in drawn_trays]
    first = Range.of([photo.conditions for photo in photos if photo.conditions])
    known = calibrate_by_kept(trained, kept, conditions=first, progress=quietly)
    there = Range.of([photo.conditions for photo in prepared if photo.conditions])
    away = calibrate(known, good, where="evening", conditions=there, progress=quietly)
    back = calibrate_by_kept(away, kept, progress=quietly)
    assert [known.oddities(photo) for photo in photos] == [[], [], []]
    assert all(away.oddities(photo) for photo in photos)
    assert [back.oddities(photo) for photo in photos] == [[], [], []]
    assert all(back.oddities(photo) for photo in prepared)
    back.save(tmp_path / "back.cafepick")
    assert Detector.load(tmp_path / "back.cafepick").oddities(photos[0]) == []


def test_a_calibration_teaches_no_size(
    quick_model: Path, evening: tuple[list[Prepared], Sample], drawn_trays: list[DrawnTray]
) -> None:
    prepared, good = evening
    trained = Detector.load(quick_model)
    kept = kept_aside(quick_model.with_suffix(".run"), trained)
    first = Range.of([photo.conditions for tray in drawn_trays if (photo := trained.prepare(tray.photo)).conditions])
    known = calibrate_by_kept(trained, kept, conditions=first, progress=quietly)
    there = Range.of([photo.conditions for photo in prepared if photo.conditions])
    assert there is not None
    assert size_not_learnt(known, there) is None
    assert size_not_learnt(known, None) is None
    afar = replace(there, length_low=there.length_low / 3, length_high=there.length_high / 3)
    assert "go nearer" in (size_not_learnt(known, afar) or "")
    mixed = replace(there, length_low=there.length_low / 3, length_high=there.length_high)
    assert "go nearer" in (size_not_learnt(known, mixed) or "")
    away = calibrate(known, good, where="afar", conditions=afar, progress=quietly)
    assert "go nearer" in (size_not_learnt(away, afar) or ""), "forgotten as soon as it was calibrated"
    conditions = replace(prepared[0].conditions, length=afar.length_low)  # type: ignore[type-var]
    assert "go nearer" in away.oddities(replace(prepared[0], conditions=conditions))[0]


def test_photos_that_it_was_calibrated_on_are_known_again(
    quick_model: Path, evening_trays: list[DrawnTray], tmp_path: Path
) -> None:
    for number, tray in enumerate(evening_trays[:KNOWN]):
        write_image(tmp_path / f"{number}.png", tray.photo)
    source = open_source(str(tmp_path), purpose="train")
    once, subjects = calibrate_on(Detector.load(quick_model), source, progress=quietly)
    assert learnt_prints(once.facts) == set(subjects.prints)
    assert learnt_prints(once.facts, "training") == set()
    twice, _ = calibrate_on(once, source, progress=quietly)  # it was not trained on them
    assert same(once, twice)
    assert learnt_prints(twice.facts) == set(subjects.prints)
    assert all("learnt_from" not in record for record in twice.facts["calibration"]["history"])
    assert without_prints(twice.facts["calibration"]).keys() == twice.facts["calibration"].keys() - {"learnt_from"}


def test_an_exported_model_learns_the_light_too(
    exported_model: Path, quick_model: Path, evening: tuple[list[Prepared], Sample]
) -> None:
    _, good = evening
    files = (exported_model, quick_model)
    exported, trained = (calibrated_in(Detector.load(path, precision="float32"), good) for path in files)
    assert same(exported, trained)
    assert exported.promise(0.05)["threshold"] == pytest.approx(trained.promise(0.05)["threshold"], rel=1e-3)


def calibrated_in(detector: Detector, good: Sample) -> Detector:
    return calibrate(detector, good, where="evening", conditions=None, progress=quietly)


def same(one: Detector, other: Detector) -> bool:
    """Whether two know good beans alike, light and all."""
    assert one.appearance is not None
    assert other.appearance is not None
    ours, theirs = one.appearance.to_tensors(), other.appearance.to_tensors()
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)

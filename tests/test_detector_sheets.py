"""A model taught on sheets of paper: what it says lies where it belongs in the photo, and it knows millimetres."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cafepick import Detector
from cafepick.artefact import load_artefact, save_artefact
from cafepick.beans.crop import map_to_photo
from cafepick.draw import masks
from cafepick.errors import ConfigError, PhotoError
from cafepick.jobs.match import match_outlines
from cafepick.types import Judgement
from cafepick.watch.run import Watch, check_promise
from sheet_scenes import filled, masks_of, taken

TILTED = {"tilt": 25.0, "azimuth": 60.0, "roll": 15.0, "table_beans": 4, "edge_beans": 2}
RATE = 0.05


@pytest.fixture(scope="module")
def on_sheets(tiny_detector: Detector) -> Detector:
    crop = replace(tiny_detector.crop, scale="fixed", zoom=2.6, sheet="a4")  # crop pixels a millimetre
    detector = Detector(tiny_detector.networks, crop=crop, search=tiny_detector.search, facts={"training": {"seed": 0}})
    crops = [crop.image for crop in detector.prepare(taken(6, beans=30, tilt=5.0).photo).crops if crop]
    return detector.calibrated(detector.score(np.stack(crops)), {"source": "a drawn sheet", "subjects": len(crops)})


def test_each_bean_on_the_sheet_gets_a_verdict_in_its_place(on_sheets: Detector) -> None:
    photo = taken(4, **TILTED)
    verdicts = on_sheets.inspect(photo.photo, false_reject=RATE)
    judged = [verdict for verdict in verdicts if verdict.judgement in (Judgement.OK, Judgement.NG)]
    truths = [bean.outline for bean in photo.beans if bean.where == "sheet"]
    assert len(match_outlines([verdict.outline.contour for verdict in judged], truths)) == len(judged) == len(truths)
    for verdict in verdicts:
        low, high = verdict.outline.contour.min(axis=0), verdict.outline.contour.max(axis=0)
        np.testing.assert_allclose(verdict.box, [*low, *(high - low)], rtol=1e-5)


def test_maps_of_the_verdicts_lie_on_the_beans_of_the_photo(on_sheets: Detector) -> None:
    photo = taken(4, **TILTED)
    shape = photo.photo.shape[:2]
    beans = np.any(masks_of(photo), axis=0)
    covered = np.zeros(shape, bool)
    verdicts = [one for one in on_sheets.inspect(photo.photo, false_reject=RATE) if one.evidence]
    for verdict in verdicts:
        patch = map_to_photo(verdict.evidence.crop.mask, verdict.evidence.crop, shape)
        covered[patch.place] |= patch.values
        crop = verdict.evidence.crop
        painted = map_to_photo(crop.mask.astype(np.float32), crop, shape)
        inside = filled(verdict.outline.contour, shape)[painted.place]
        assert painted.values[inside].sum() > 0.9 * painted.values.sum()
        assert verdict.evidence.anomaly_map.shape == crop.mask.shape
    assert (covered & beans).sum() / (covered | beans).sum() > 0.8
    assert not (masks(shape, verdicts) & ~_near(beans)).any()


def _near(mask: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.dilate(mask.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0


def test_crops_of_the_same_beans_are_as_large_from_any_distance(on_sheets: Detector) -> None:
    near = on_sheets.prepare(taken(3, tilt=0.0, fill=0.9).photo)
    far = on_sheets.prepare(taken(3, tilt=15.0, azimuth=90.0, fill=0.6).photo)
    sizes = [np.median([crop.mask.sum() for crop in prepared.crops if crop]) for prepared in (near, far)]
    lengths = [prepared.conditions.length for prepared in (near, far)]
    assert sizes[0] / sizes[1] == pytest.approx(1, abs=0.1)
    assert lengths[0] / lengths[1] > 1.3  # in photo pixels, so that too little detail is noticed


def test_known_outlines_are_judged_on_the_sheet_too(on_sheets: Detector) -> None:
    photo = taken(4, **TILTED)
    contours = [bean.outline for bean in photo.beans if bean.where == "sheet"]
    prepared = on_sheets.prepare(photo.photo, contours=contours)
    assert len(prepared.crops) == len(contours)
    assert all(crop is not None for crop in prepared.crops)
    for contour, outline in zip(contours, prepared.outlines, strict=True):
        np.testing.assert_allclose(outline.contour, contour, atol=0.01)


def test_a_photo_without_a_sheet_is_refused_and_says_what_is_needed(on_sheets: Detector) -> None:
    with pytest.raises(PhotoError, match="no whole A4 sheet was found in the photo, and this model measures on one"):
        on_sheets.inspect(taken(1, sheet=False, table_beans=8).photo, false_reject=RATE)


def test_it_is_the_same_after_save_and_load(on_sheets: Detector, tmp_path: Path) -> None:
    on_sheets.save(tmp_path / "sheets.cafepick")
    again = Detector.load(tmp_path / "sheets.cafepick", precision=on_sheets.precision)
    assert again.crop == on_sheets.crop
    photo = taken(4, **TILTED).photo
    before, after = (one.inspect(photo, false_reject=RATE) for one in (on_sheets, again))
    for ours, theirs in zip(before, after, strict=True):
        assert (theirs.scores, theirs.box, theirs.angle) == (ours.scores, ours.box, ours.angle)


def test_an_artefact_from_before_sheets_looks_at_the_photo_itself(tiny_model: Path, tmp_path: Path) -> None:
    artefact = load_artefact(tiny_model)
    crop = {key: value for key, value in artefact.header["crop"].items() if key != "sheet"}
    save_artefact(tmp_path / "old.cafepick", artefact.header | {"crop": crop}, artefact.tensors)
    assert Detector.load(tmp_path / "old.cafepick").crop.sheet == "none"


def test_no_belt_shows_a_sheet(on_sheets: Detector) -> None:
    with pytest.raises(ConfigError, match="measures them on a sheet of paper, which no belt shows"):
        check_promise(on_sheets, Watch())

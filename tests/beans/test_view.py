"""What is found on a flattened sheet lies where it belongs in the photo: outlines, crops, masks, anomaly maps."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from bean_scenes import overlap
from hypothesis import given
from hypothesis import strategies as st

from cafepick.beans.crop import FIT_SHARE, crop_beans, fit_zoom, map_to_photo
from cafepick.beans.find import find_beans
from cafepick.beans.paper import transformed
from cafepick.beans.view import PIXELS_PER_MM, Frame, frame_of
from cafepick.config import CropConfig
from cafepick.errors import PhotoError
from cafepick.jobs.match import match_outlines
from cafepick.types import Outline
from sheet_scenes import filled, masks_of, taken

A4 = CropConfig(sheet="a4", zoom=5.0)
TILTED = {"tilt": 25.0, "azimuth": 60.0, "roll": 15.0, "table_beans": 4, "edge_beans": 2}
"""Beans lie on the table and across the edge too."""


@pytest.fixture(scope="module")
def seen():
    """The photo, its frame, and outlines and crops as they lie in the photo."""
    photo = taken(4, **TILTED)
    frame = frame_of(photo.photo, A4)
    pixels = frame.look(photo.photo)
    scene = find_beans(pixels)
    outlines = frame.outlines_back(scene.outlines)
    return photo, frame, outlines, frame.crops_back(crop_beans(pixels, scene, frame.cutting(A4)), outlines)


def test_without_a_sheet_the_photo_itself_is_looked_at():
    photo = taken(4, **TILTED).photo
    frame = frame_of(photo, CropConfig())
    contour = np.array([[1, 2], [3, 4], [5, 0]], np.float32)
    assert frame.look(photo) is photo
    assert frame.into([contour])[0] is contour
    assert frame.measured([contour])[0] is contour
    assert frame.outlines_back([Outline(contour)])[0].contour is contour
    assert frame.cutting(CropConfig(zoom=2.0)) == CropConfig(zoom=2.0)
    assert frame.into(None) is None


@pytest.mark.parametrize(("sheet", "shot"), [("a4", {"sheet": False}), ("letter", {"tilt": 0.0})])
def test_a_photo_without_the_sheet_asked_for_is_refused_in_words(sheet, shot):
    said = {"a4": "no whole A4 sheet", "letter": "no whole Letter sheet"}[sheet]
    with pytest.raises(PhotoError, match=f"{said} was found in the photo.* with all four edges of the sheet in view"):
        frame_of(taken(1, **shot).photo, replace(A4, sheet=sheet))


def test_all_beans_on_the_sheet_are_outlined_where_they_lie_in_the_photo(seen):
    photo, _, outlines, _ = seen
    whole = [outline.contour for outline in outlines if not outline.cut]
    truths = [bean.outline for bean in photo.beans if bean.where == "sheet"]
    pairs = match_outlines(whole, truths)
    assert len(pairs) == len(truths) == len(whole), "beans on the table are not looked at"
    masks = [filled(contour, photo.photo.shape) for contour in whole]
    assert np.median([overlap(masks[pair.found], masks_of(photo)[pair.annotated]) for pair in pairs]) > 0.82


def test_a_bean_across_the_edge_of_the_sheet_is_cut(seen):
    photo, _, outlines, crops = seen
    cut = [outline.contour for outline in outlines if outline.cut]
    assert 1 <= len(cut) <= 2
    assert [crop is None for crop in crops] == [outline.cut for outline in outlines]
    middles = [bean.outline.mean(axis=0) for bean in photo.beans if bean.where == "edge"]
    for contour in cut:
        assert min(np.linalg.norm(contour.mean(axis=0) - middle) for middle in middles) < 15


def test_a_mask_laid_back_over_the_photo_is_the_bean(seen):
    photo, _, outlines, crops = seen
    for outline, crop in zip(outlines, crops, strict=True):
        if crop is None:
            continue
        drawn = np.zeros(photo.photo.shape[:2], bool)
        patch = map_to_photo(crop.mask, crop, drawn.shape)
        drawn[patch.place] = patch.values
        assert overlap(drawn, filled(outline.contour, drawn.shape)) > 0.85  # a bean is 15 pixels wide


def test_a_spot_in_a_crop_goes_back_to_the_spot_in_the_photo(seen):
    """Black dots are painted into the photo; each crop shows one, and its place maps back to within a pixel."""
    photo, frame, _, crops = seen
    dotted, places = photo.photo.copy(), []
    for crop in crops:
        if crop is not None:
            place = crop.to_photo @ np.array([36.0, 26.0, 1.0])
            cv2.circle(dotted, tuple(np.rint(16 * place).astype(int).tolist()), 24, (255, 0, 255), -1, cv2.LINE_AA, 4)
            places.append(place)
    pixels = frame.look(dotted)
    scene = find_beans(frame.look(photo.photo))
    outlines = frame.outlines_back(scene.outlines)
    again = frame.crops_back(crop_beans(pixels, scene, frame.cutting(A4)), outlines)
    for crop, place in zip([one for one in again if one], places, strict=True):
        magenta = np.clip(crop.image[..., [0, 2]].min(axis=2).astype(float) - crop.image[..., 1] - 60, 0, None)
        y, x = np.indices(magenta.shape)
        spot = np.array([(x * magenta).sum(), (y * magenta).sum()]) / magenta.sum()
        assert np.linalg.norm(crop.to_photo @ np.append(spot, 1) - place) < 1.0


def test_a_crop_s_map_is_the_tangent_of_the_perspective(seen):
    """Over the whole of a bean it differs from the perspective itself by less than half a pixel."""
    photo, frame, outlines, crops = seen
    flat = crop_beans(frame.look(photo.photo), find_beans(frame.look(photo.photo)), frame.cutting(A4))
    for there, here in zip(crops, flat, strict=True):
        if there is None or here is None:
            continue
        rows, columns = np.nonzero(here.mask)
        points = np.stack([columns, rows, np.ones_like(rows)], axis=1)
        exact = frame.outlines_back([Outline((points @ here.to_photo.T).astype(np.float32))])[0].contour
        assert np.abs(points @ there.to_photo.T - exact).max() < 0.5
        assert np.array_equal(there.image, here.image)
    assert len(outlines) == len(crops)


def test_boxes_and_angles_are_those_of_the_photo(seen):
    photo, _, outlines, crops = seen
    for outline, crop in zip(outlines, crops, strict=True):
        if crop is None:
            continue
        low, high = outline.contour.min(axis=0), outline.contour.max(axis=0)
        np.testing.assert_allclose(crop.box, [*low, *(high - low)], rtol=1e-5)
        down = crop.to_photo[:, :2] @ [0.0, 1.0]
        turn = np.radians(crop.angle)
        assert abs(np.cross([*down, 0], [-np.sin(turn), np.cos(turn), 0])[2]) < 1e-6 * np.linalg.norm(down)
        assert -90 <= crop.angle < 90
    assert photo.photo.shape[1] > max(crop.box.x for crop in crops if crop)


def test_known_outlines_go_onto_the_sheet_and_back(seen):
    photo, frame, *_ = seen
    contours = [bean.outline for bean in photo.beans]
    back = frame.outlines_back([Outline(contour) for contour in frame.into(contours)])
    for contour, outline in zip(contours, back, strict=True):
        np.testing.assert_allclose(outline.contour, contour, atol=0.01)


@pytest.mark.parametrize("shot", [{"tilt": 0.0, "fill": 0.6}, TILTED])
def test_a_fixed_zoom_is_in_crop_pixels_a_millimetre(shot):
    photo = taken(4, **shot)
    frame = frame_of(photo.photo, A4)
    pixels = frame.look(photo.photo)
    scene = find_beans(pixels)
    whole = [outline.contour for outline in scene.outlines if not outline.cut]
    config = fit_zoom([frame.measured(whole)], replace(A4, scale="fixed"))
    assert FIT_SHARE * 64 / config.zoom == pytest.approx(11, abs=2)  # the longest bean in mm
    crops = [crop for crop in crop_beans(pixels, scene, frame.cutting(config)) if crop]
    longest = max(np.ptp(np.nonzero(crop.mask.any(axis=1))) for crop in crops)
    assert longest == pytest.approx(FIT_SHARE * 64, abs=2)


def test_the_relative_scale_needs_no_millimetres(seen):
    _, frame, *_ = seen
    config = replace(A4, scale="relative", zoom=30.0)
    assert frame.cutting(config) == config


@given(st.lists(st.tuples(st.floats(0, 2900), st.floats(0, 2000)), min_size=3, max_size=8))
def test_into_undoes_back_and_measures_in_tenths_of_a_millimetre(seen, points):
    _, frame, *_ = seen
    contour = np.array(points, np.float32)
    there = frame.outlines_back([Outline(contour)])
    np.testing.assert_allclose(frame.into([there[0].contour])[0], contour, atol=0.05)
    np.testing.assert_allclose(frame.measured([contour])[0] * PIXELS_PER_MM, contour, rtol=1e-5)
    on_sheet = transformed(there[0].contour, frame.sheet.to_mm)
    np.testing.assert_allclose(on_sheet - on_sheet[0], (contour - contour[0]) / PIXELS_PER_MM, atol=0.02)


def test_a_frame_is_of_a_photo_unless_told_otherwise():
    assert Frame().sheet is None

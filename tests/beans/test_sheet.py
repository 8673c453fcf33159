"""A whole sheet of paper is found where one lies, with its corners, its kind and its millimetres; elsewhere none is."""

from __future__ import annotations

import numpy as np
import pytest

from cafepick.beans.find import find_beans
from cafepick.beans.paper import PAPERS, transformed
from cafepick.beans.pose import pose_of
from cafepick.beans.sheet import INSET, Sheet, find_sheet, flat_to_photo, rectify
from cafepick.data.drawing.sheet import SheetPhoto
from cafepick.images import read_photo
from cafepick.jobs.match import match_outlines
from sheet_scenes import taken

WITHIN_MM = 1.0

WHOLE = {
    "straight from above": {"tilt": 0.0},
    "tilted to the side": {"tilt": 20.0, "azimuth": 90.0},
    "tilted far, turned": {"tilt": 35.0, "azimuth": 200.0, "roll": 25.0},
    "letter": {"paper": "letter", "tilt": 25.0, "azimuth": 40.0},
    "from farther away": {"fill": 0.55, "tilt": 15.0},
    "dark table": {"table": "dark", "tilt": 12.0},
    "checked cloth": {"table": "checked", "tilt": 12.0},
    "stone": {"table": "stone", "tilt": 12.0},
    "upright": {"roll": 90.0, "tilt": 12.0},
    "beans across the edge": {"edge_beans": 6, "tilt": 12.0},
    "shadow of a hand": {"shadow": 0.4, "tilt": 12.0},
    "folded twice": {"folds": 2, "tilt": 12.0},
    "bent by the lens": {"bend": -0.02, "tilt": 12.0},
    "among clutter": {"clutter": 8, "table_beans": 8, "fill": 0.6, "tilt": 12.0},
}

NOT_WHOLE = {
    "no sheet": {"sheet": False, "clutter": 8, "table_beans": 8},
    "partly outside": {"shift": (0.3, 0.0)},
    "a corner folded away": {"dog_ear": 40.0},
}


def corner_errors(photo: SheetPhoto, sheet: Sheet) -> np.ndarray:
    """(4,) distances in mm on the sheet, from the true corners in the order that fits best."""
    errors = []
    for true in photo.sheets:
        off = transformed(sheet.corners, sheet.to_mm)
        errors += [np.linalg.norm(off - transformed(np.roll(true, k, 0), sheet.to_mm), axis=1) for k in range(4)]
    return min(errors, key=np.max)


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_sheet_is_found_with_its_corners_and_its_kind(name):
    photo = taken(1, **WHOLE[name])
    sheet = find_sheet(photo.photo)
    assert sheet is not None
    assert corner_errors(photo, sheet).max() < WITHIN_MM
    if sheet.decided:
        assert sheet.paper == photo.shot.paper


@pytest.mark.parametrize("name", NOT_WHOLE)
def test_what_is_no_whole_sheet_is_not_found(name):
    assert find_sheet(taken(1, **NOT_WHOLE[name]).photo) is None


def test_the_shape_tells_a4_from_letter_in_most_photos():
    shots = [taken(1, **shot) for shot in WHOLE.values()]
    assert sum(find_sheet(shot.photo).decided for shot in shots) >= 0.8 * len(shots)


def test_a_sheet_of_the_other_kind_is_refused():
    photo = taken(1, tilt=0.0)
    assert find_sheet(photo.photo, "a4").certainty > 0.99
    assert find_sheet(photo.photo, "letter") is None


def test_of_two_sheets_one_is_taken_and_not_both_together():
    photo = taken(2, second=15.0, fill=0.4, shift=(0.0, -0.22), tilt=8.0)
    assert len(photo.sheets) == 2
    assert corner_errors(photo, find_sheet(photo.photo)).max() < WITHIN_MM


def test_turning_the_photo_turns_the_sheet():
    photo = taken(1, tilt=20.0, azimuth=90.0)
    sheet, turned = find_sheet(photo.photo), find_sheet(np.ascontiguousarray(np.rot90(photo.photo)))
    there = np.stack([turned.corners[:, 1], turned.corners[:, 0]], axis=1) * [-1, 1] + [photo.photo.shape[1] - 1, 0]
    nearest = np.linalg.norm(there[:, np.newaxis] - sheet.corners, axis=2).min(axis=1)
    assert nearest.max() < 1.5


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 3), (60, 80), (500, 500)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_plain_photos_show_no_sheet(shape, level):
    assert find_sheet(np.full((*shape, 3), level, np.uint8)) is None


def test_noise_shows_no_sheet():
    assert find_sheet(np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8)) is None


def test_corners_go_around_clockwise_beginning_with_a_long_side():
    for shot in WHOLE.values():
        sheet = find_sheet(taken(1, **shot).photo)
        x, y = sheet.corners.T
        assert (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() > 0  # y points down
        long, short = PAPERS[sheet.paper]
        on_sheet = transformed(sheet.corners, sheet.to_mm)
        np.testing.assert_allclose(on_sheet, [[0, 0], [long, 0], [long, short], [0, short]], atol=1e-6)


def test_the_scale_is_that_of_the_camera_at_the_middle():
    photo = taken(1, tilt=20.0, azimuth=90.0)
    sheet = find_sheet(photo.photo)
    square = photo.camera.project(np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]))
    x, y = square.T
    per_mm = np.sqrt(0.5 * abs((x * np.roll(y, -1) - np.roll(x, -1) * y).sum()) / 4)
    assert sheet.pixels_per_mm == pytest.approx(per_mm, rel=0.01)


# --- flattened ---


def test_a_flattened_sheet_has_the_size_of_the_paper_without_its_rim():
    photo = taken(1, tilt=20.0, azimuth=90.0)
    sheet = find_sheet(photo.photo, "a4")
    flat, to_photo = rectify(photo.photo, sheet, 4.0)
    assert flat.shape == (round((210 - 2 * INSET) * 4), round((297 - 2 * INSET) * 4), 3)
    ends = transformed(np.array([[-0.5, -0.5], [flat.shape[1] - 0.5, flat.shape[0] - 0.5]]), sheet.to_mm @ to_photo)
    np.testing.assert_allclose(ends, [[INSET, INSET], [297 - INSET, 210 - INSET]], atol=1e-6)
    np.testing.assert_allclose(to_photo, flat_to_photo(sheet, 4.0))
    assert np.median(flat, axis=(0, 1)).min() > 150  # paper all over
    assert (flat.min(axis=2) > 60).mean() > 0.97


def test_a_flat_pixel_shows_the_photo_point_that_the_map_names():
    photo = taken(1, tilt=35.0, azimuth=200.0, roll=25.0)
    height, width = photo.photo.shape[:2]
    x, y = np.meshgrid(np.arange(width) * 255 / width, np.arange(height) * 255 / height)
    ramp = np.stack([x, y, y], axis=2).astype(np.uint8)
    flat, to_photo = rectify(ramp, find_sheet(photo.photo), 2.0)
    places = np.random.default_rng(0).uniform(10, 400, (50, 2))
    there = transformed(np.rint(places), to_photo) * [255 / width, 255 / height]
    columns, rows = np.rint(places).astype(int).T
    assert np.abs(flat[rows, columns, :2] - there).max() < 1.5


SAME_BEANS = [
    {"tilt": 0.0, "fill": 0.9},
    {"tilt": 0.0, "fill": 0.6},
    {"tilt": 15.0, "azimuth": 90.0, "fill": 0.9},
    {"tilt": 25.0, "azimuth": 300.0, "roll": 90.0, "fill": 0.9},
    {"tilt": 35.0, "azimuth": 200.0, "fill": 0.85},
]


def test_lengths_in_millimetres_are_alike_from_every_side_and_distance():
    """The same beans are photographed again and again. From far aside they look longer, because their side shows."""
    ratios, pixels = [], []
    for shot in SAME_BEANS:
        photo = taken(3, beans=20, width=1400, height=1050, **shot)
        sheet = find_sheet(photo.photo, "a4")
        flat, to_photo = rectify(photo.photo, sheet, 8.0)
        contours = [outline.contour for outline in find_beans(flat).outlines]
        back = [transformed(contour, to_photo).astype(np.float32) for contour in contours]
        pairs = match_outlines(back, [bean.outline for bean in photo.beans])
        assert len(pairs) == len(contours) == 20
        true = [pose_of(photo.beans[pair.annotated].footprint.astype(np.float32)).length for pair in pairs]
        ratios.append(np.median([pose_of(contours[p.found]).length / 8 for p in pairs] / np.array(true)))
        pixels.append(np.median([pose_of(back[p.found]).length for p in pairs] / np.array(true)))
    assert max(pixels) / min(pixels) > 1.4
    assert max(ratios[:4]) / min(ratios[:4]) < 1.03
    assert max(ratios) / min(ratios) < 1.06
    assert np.median(ratios) == pytest.approx(1, abs=0.05)


@pytest.mark.data
def test_real_trays_show_no_whole_sheet(data_dir):
    """Their paper fills the frame."""
    for path in sorted((data_dir / "trays").rglob("*.jpg"))[::3]:
        assert find_sheet(read_photo(path)) is None

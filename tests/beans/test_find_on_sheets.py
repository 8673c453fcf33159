"""Beans on a sheet of paper that does not fill the photo are found without being told of the sheet."""

from __future__ import annotations

import numpy as np
import pytest
from bean_scenes import overlap

from cafepick.beans.crop import crop_beans
from cafepick.beans.find import find_beans, scene_of
from cafepick.config import CropConfig
from sheet_scenes import filled, masks_of, taken

ALONE = {"tilt": 20.0, "azimuth": 240.0, "roll": 30.0}


@pytest.fixture(scope="module")
def on_table():
    """A photo in whose plain surface, the table, no bean is found, and its scene."""
    photo = taken(6, **ALONE)
    assert not find_beans(photo.photo).outlines
    return photo, scene_of(photo.photo)


def test_all_beans_on_the_sheet_are_found_and_nothing_else(on_table):
    photo, scene = on_table
    found = [filled(outline.contour, photo.photo.shape) for outline in scene.outlines]
    truth = masks_of(photo)
    assert len(found) == len(truth)
    assert all(max(overlap(mask, one) for one in found) > 0.75 for mask in truth)


def test_the_paper_beside_a_bean_balances_its_light(on_table):
    photo, scene = on_table
    crops = crop_beans(photo.photo, scene, CropConfig(zoom=1.0))
    assert all(crop is not None for crop in crops)
    rows, columns = scene.background.shape[:2]
    x, y = np.rint(scene.outlines[0].contour.mean(axis=0) * (columns, rows) / photo.photo.shape[1::-1]).astype(int)
    assert scene.background[y, x].min() > 120, "the paper's colour, not the table's"


def test_a_bean_across_the_edge_is_not_judged():
    photo = taken(6, **ALONE, edge_beans=3)
    scene = scene_of(photo.photo)
    edge = [filled(bean.outline, photo.photo.shape) for bean in photo.beans if bean.where == "edge"]
    whole = [filled(outline.contour, photo.photo.shape) for outline in scene.outlines if not outline.cut]
    assert whole
    assert all(overlap(one, mask) < 0.5 for one in whole for mask in edge)

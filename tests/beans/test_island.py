"""Paper that does not fill the photo is told from what it lies on, and from a photo of nothing but paper."""

from __future__ import annotations

import json

import numpy as np
import pytest
from bean_scenes import Scenery, island_of

from cafepick.images import read_photo
from sheet_scenes import filled, taken


def _paper(photo) -> np.ndarray:
    return filled(photo.sheets[0], photo.photo.shape)


@pytest.mark.parametrize("table", ["wood", "dark", "checked", "striped", "stone"])
def test_a_whole_sheet_ends_where_its_edges_are(table):
    photo = taken(3, table=table, tilt=15.0, azimuth=70.0, roll=10.0, clutter=2)
    island = island_of(photo.photo)
    paper = _paper(photo)
    assert island is not None
    assert island.sharp
    assert not (island.inside.astype(bool) & ~paper).any()
    assert island.inside[paper].mean() > 0.97


@pytest.mark.parametrize("table", ["dark", "checked"])
def test_a_corner_that_is_folded_away_is_not_paper(table):
    whole = taken(5, table=table, beans=8, fill=0.7)
    folded = taken(5, table=table, beans=8, fill=0.7, dog_ear=60.0)
    island = island_of(folded.photo)
    assert island is not None
    inside = island.inside.astype(bool)
    assert inside.sum() < 0.98 * _paper(whole).sum(), "the corner is part of the table"
    assert inside[_paper(whole)].mean() > 0.9


def test_paper_in_half_shade_is_one():
    photo = taken(2, table="dark", shadow=0.3, fill=0.7, beans=20)
    island = island_of(photo.photo)
    assert island is not None
    assert island.inside[_paper(photo)].mean() > 0.95


def test_a_folded_sheet_is_more_than_a_part_between_its_folds():
    photo = taken(7, table="wood", folds=2, fill=0.75, beans=20)
    island = island_of(photo.photo)
    assert island is not None
    assert island.inside[_paper(photo)].mean() > 0.95


@pytest.mark.parametrize(
    "photo",
    [
        Scenery.plain().bean(240, 180).photo(),
        Scenery.plain((40, 44, 52)).bean(100, 90).bean(300, 200).photo(),
        Scenery.plain().bean(120, 100).lit(1.0, 0.6).photo(),
        Scenery.plain().wood().photo(),
        np.zeros((60, 80, 3), np.uint8),
        np.full((1, 1, 3), 255, np.uint8),
    ],
    ids=["paper", "dark", "uneven light", "wood", "black", "one pixel"],
)
def test_a_photo_of_its_surface_alone_shows_no_island(photo):
    assert island_of(photo) is None


@pytest.mark.data
def test_real_trays_show_no_island(data_dir):
    """White trays, whose walls are in view, are looked at whole."""
    coco = json.loads((data_dir / "trays" / "annotations.json").read_text(encoding="utf-8"))
    names = [image["file_name"] for image in coco["images"]]
    assert not [name for name in names if island_of(read_photo(data_dir / "trays" / name)) is not None]

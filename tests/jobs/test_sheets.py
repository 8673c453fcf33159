"""Training looks whether its photos show sheets of paper, and measures on them if most do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cafepick.config import CropConfig
from cafepick.data.sources import open_source
from cafepick.errors import SourceError
from cafepick.images import write_image
from cafepick.jobs.gather import gather, gather_as
from cafepick.jobs.sheets import a4_chance, choose_sheet
from sheet_scenes import taken

SHOTS = [{"tilt": 5.0}, {"tilt": 25.0, "azimuth": 60.0}, {"tilt": 15.0, "azimuth": 200.0, "fill": 0.65}]


def quiet(*_: object) -> None: ...


def written(folder, photos):
    for number, photo in enumerate(photos):
        write_image(folder / f"{number}.png", photo)
    return open_source(folder)


@pytest.fixture(scope="module")
def with_sheets(tmp_path_factory):
    return written(tmp_path_factory.mktemp("sheets"), [taken(5, **shot).photo for shot in SHOTS])


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """One photo with a sheet and two without."""
    plain = np.full((90, 120, 3), 230, np.uint8)
    return written(tmp_path_factory.mktemp("mixed"), [taken(5, **SHOTS[0]).photo, plain, plain])


def test_photos_with_sheets_are_measured_on_them(with_sheets):
    stages = []
    subjects = gather(with_sheets, CropConfig(), progress=lambda stage, *_: stages.append(stage))
    assert (subjects.config.sheet, subjects.config.scale) == ("a4", "fixed")
    assert subjects.note == "the beans lie on whole A4 sheets"
    assert len(subjects.crops) == 36
    assert list(dict.fromkeys(stages)) == ["looking for sheets", "finding beans", "cutting crops"]
    areas = [np.median((crops != 235).any(axis=3).sum(axis=(1, 2))) for crops in np.split(subjects.crops, 3)]
    assert max(areas) / min(areas) < 1.15  # in pixels of the photo they differ by a factor of two


@pytest.mark.parametrize("sheet", ["none", "a4"])
def test_the_user_s_word_goes_before_what_the_photos_show(with_sheets, sheet):
    stages = []
    subjects = gather(with_sheets, CropConfig(), sheet=sheet, progress=lambda stage, *_: stages.append(stage))
    assert subjects.config.sheet == sheet
    assert "looking for sheets" not in stages
    assert subjects.note == ""


def test_where_few_photos_show_a_sheet_sizes_stay_in_pixels_and_it_is_said(mixed):
    choice = choose_sheet(mixed, quiet)
    assert choice.sheet == "none"
    assert choice.note.startswith("a whole sheet of paper was found in 1 of")
    assert "--sheet a4 or letter" in choice.note


def test_four_photos_of_five_with_a_sheet_are_enough(tmp_path):
    plain = np.full((90, 120, 3), 230, np.uint8)
    sheets = [taken(5, **shot).photo for shot in SHOTS]
    source = written(tmp_path, [plain, *sheets, sheets[0]])
    assert choose_sheet(source, quiet).sheet == "a4"


def test_a_photo_without_the_sheet_asked_for_is_named_and_left_out(mixed):
    subjects = gather(mixed, CropConfig(), sheet="a4", progress=quiet)
    assert [failure.name for failure in subjects.failures] == ["1.png", "2.png"]
    assert "no whole A4 sheet was found" in subjects.failures[0].reason
    assert subjects.names == ("0.png",)
    assert len(gather_as(mixed, subjects.config, progress=quiet).failures) == 2


def test_not_one_photo_with_the_sheet_asked_for_is_an_error(tmp_path):
    source = written(tmp_path, [np.full((90, 120, 3), 230, np.uint8)])
    with pytest.raises(SourceError, match=r"1 photos, 1 of them unusable \(first: no whole Letter sheet was found"):
        gather(source, CropConfig(), sheet="letter", progress=quiet)


def test_photos_without_sheets_and_unreadable_ones_say_nothing(tmp_path):
    source = written(tmp_path, [np.full((90, 120, 3), 230, np.uint8)] * 2)
    (tmp_path / "0.png").write_bytes(b"no photo")
    assert choose_sheet(source, quiet) == ("none", "")


def test_of_a_large_source_some_photos_are_looked_at(tmp_path):
    looked = []
    choose_sheet(
        written(tmp_path, [np.full((9, 12, 3), 230, np.uint8)] * 90), lambda done, total: looked.append((done, total))
    )
    assert looked[0] == (1, 18)
    assert len(looked) < 6, "it went on though too few could have one"


@given(st.lists(st.tuples(st.sampled_from(["a4", "letter"]), st.floats(0.5, 1.0)), min_size=1, max_size=30))
def test_more_photos_of_a_kind_make_it_likelier(papers):
    chance = a4_chance(papers)
    assert 0 <= chance <= 1
    assert a4_chance([*papers, ("a4", 0.9)]) >= chance
    swapped = [("letter" if paper == "a4" else "a4", certainty) for paper, certainty in papers]
    assert a4_chance(swapped) == pytest.approx(1 - chance)


def test_many_unsure_photos_make_one_sure_answer():
    assert a4_chance([("a4", 0.6)]) == pytest.approx(0.6)
    assert a4_chance([("a4", 0.6)] * 12) > 0.99

"""The good subjects that are least like the others are shown, most of all first, and can be found again."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from cafepick.beans.describe import NAMES
from cafepick.config import CropConfig, named_recipe
from cafepick.data.demo import write_demo_data
from cafepick.data.sources import open_source
from cafepick.detector import Detector
from cafepick.images import read_photo, write_image
from cafepick.jobs import oddest
from cafepick.jobs.gather import Place, Subjects
from cafepick.jobs.oddest import COLUMNS, LEAST, MOST, write_oddest
from cafepick.jobs.teach import Lesson, teach
from cafepick.scoring.appearance import Appearance, fit_appearance
from cafepick.types import Box


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "oddest.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def lesson(source: Path, model: Path, **changes: object) -> Lesson:
    recipe = named_recipe("quick", size=32, channels=3)
    settings = {"steps": 2, "batch": 8}
    small = {
        "model": {"width": 4, "latent": 8},
        "gan": settings,
        "encoder": settings,
        "search": {"steps": 2, "refine_steps": 2, "candidates": 2},
        **changes,
    }
    recipe = replace(recipe, **{name: replace(getattr(recipe, name), **values) for name, values in small.items()})  # type: ignore[call-overload]
    return Lesson(
        source=open_source(source, purpose="train"),
        model=model,
        run=model.with_suffix(".run"),
        crop=CropConfig(size=32),
        recipe=recipe,
        recipe_name="quick",
        hold_back=0.4,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Box]:
    """A model of four trays, the photo in which one bean was painted blue, and where."""
    folder = tmp_path_factory.mktemp("trays")
    data = write_demo_data(folder / "data", train_trays=4, test_trays=1, beans=14)
    painted = data.train[2]
    photo = read_photo(painted)
    model = folder / "first.cafepick"
    teach(lesson(data.train[0].parent, model), progress=lambda *_: None)
    bean = Detector.load(model).prepare(photo).outlines[5]
    assert bean is not None
    x, y, width, height = cv2.boundingRect(bean.contour)
    cv2.fillPoly(photo, [np.rint(bean.contour).astype(np.int32)], (40, 60, 170))
    write_image(painted, photo)
    model = folder / "second.cafepick"
    teach(lesson(data.train[0].parent, model), progress=lambda *_: None)
    return model, painted, Box(x, y, width, height)


def test_a_strange_bean_among_the_good_ones_comes_first(trained: tuple[Path, Path, Box]) -> None:
    model, painted, box = trained
    run = model.with_suffix(".run")
    first, *others = rows_of(run)
    assert first["image"] == painted.name
    assert [float(first[side]) for side in box._fields] == pytest.approx(list(box), abs=4)
    assert "than" in first["reason"]
    scores = [float(row["score"]) for row in (first, *others)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[1] + 10
    assert (run / "oddest.png").is_file()


def test_a_bean_has_the_number_that_detect_gives_it(trained: tuple[Path, Path, Box]) -> None:
    model, painted, _ = trained
    detector = Detector.load(model)
    for row in rows_of(model.with_suffix(".run")):
        if row["image"] == painted.name:
            crop = detector.prepare(read_photo(painted)).crops[int(row["bean"]) - 1]
            assert crop is not None
            assert [float(row[side]) for side in Box._fields] == pytest.approx(list(crop.box), abs=0.06)


def test_all_are_listed_those_kept_aside_too(trained: tuple[Path, Path, Box]) -> None:
    model, painted, _ = trained
    detector = Detector.load(model)
    found = {
        (path.name, str(bean))
        for path in painted.parent.iterdir()
        for bean, crop in enumerate(detector.prepare(read_photo(path)).crops, start=1)
        if crop is not None
    }
    assert {(row["image"], row["bean"]) for row in rows_of(model.with_suffix(".run"))} == found


def test_a_model_that_does_not_look_at_appearance_has_no_oddest(tmp_path: Path) -> None:
    data = write_demo_data(tmp_path / "data", train_trays=2, test_trays=1, beans=8)
    plain = lesson(data.train[0].parent, tmp_path / "m.cafepick", fusion={"appearance": 0.0})
    teach(plain, progress=lambda *_: None)
    assert (tmp_path / "m.cafepick").is_file()
    assert not list((tmp_path / "m.run").glob("oddest*"))


def subjects(count: int, *, subject: str = "beans", name: str = "a.jpg") -> tuple[Subjects, Appearance]:
    rng = np.random.default_rng(0)
    descriptors = rng.normal(size=(count, len(NAMES)))
    config = CropConfig(size=32, subject=subject)  # type: ignore[arg-type]
    places = tuple(Place(number, Box(number, 2.5, 10, 20)) for number in range(1, count + 1))
    made = Subjects(
        crops=rng.integers(0, 256, (count, 32, 32, 3), np.uint8),
        descriptors=descriptors,
        groups=np.zeros(count, np.int64),
        places=places,
        names=(name,),
        prints=("",),
        config=config,
        failures=(),
        empty=(),
        cut=0,
        conditions=None,
    )
    return made, fit_appearance(descriptors, seed=0)


@pytest.mark.parametrize(("count", "shown"), [(5, 5), (40, LEAST), (300, 30), (1200, MOST)])
def test_the_picture_shows_a_share_within_bounds(
    count: int, shown: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(oddest, "captioned_grid", lambda images, _: drawn.append(len(images)) or images[0])
    write_oddest(tmp_path, *_with_scores(*subjects(count)))
    assert drawn == [shown]
    assert len(rows_of(tmp_path)) == count


def _with_scores(made: Subjects, appearance: Appearance) -> tuple[Subjects, np.ndarray, Appearance]:
    return made, np.arange(len(made.crops), dtype=float), appearance


def test_captions_count_name_and_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, str]] = []
    monkeypatch.setattr(oddest, "captioned_grid", lambda images, words: said.extend(words) or images[0])
    made, appearance = subjects(6)
    made.descriptors[5, 0] = -9.0
    write_oddest(tmp_path, *_with_scores(made, appearance))
    assert said[0] == ("1: a.jpg, 6", "smaller")
    assert said[1][0] == "2: a.jpg, 5"
    first = rows_of(tmp_path)[0]
    assert tuple(first) == COLUMNS
    assert (first["x"], first["y"], first["score"]) == ("6", "2.5", "5.0")
    assert first["reason"] == "smaller than all good ones"


def test_a_photo_that_is_the_subject_needs_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, str]] = []
    monkeypatch.setattr(oddest, "captioned_grid", lambda images, words: said.extend(words) or images[0])
    write_oddest(tmp_path, *_with_scores(*subjects(4, subject="whole")))
    assert said[0] == ("1: a.jpg", "unusual combination")


def test_names_of_any_kind_are_drawn(tmp_path: Path) -> None:
    write_oddest(tmp_path, *_with_scores(*subjects(9, name="line\nbreak \udcff " + "long " * 60 + "豆.jpg")))
    assert read_photo(tmp_path / "oddest.png").shape[2] == 3
    assert len(rows_of(tmp_path)) == 9

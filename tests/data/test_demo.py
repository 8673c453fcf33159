"""Promises of the drawn trays: they are reproducible, and their truth is the truth."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from cafepick.data.coco import read_coco
from cafepick.data.demo import DEFECTS, DemoData, DrawnTray, draw_tray, write_demo_data
from cafepick.data.drawing.defects import OVERLAYS
from cafepick.data.drawing.fields import GAMMA, colour, developed, noise
from cafepick.data.drawing.objects import draw_form, draw_surface
from cafepick.data.drawing.scene import SURROUNDS, Surround
from cafepick.data.sources import open_source
from cafepick.errors import ConfigError, OutputError
from cafepick.images import read_mask, read_photo

LOCAL = ("partly_black", "insect", "mould")
"""Defects of a part of a bean whose outline stays as it was."""
CUT = ("broken", "chipped")
TONE = colour(150, 145, 104)


def small_tray(seed: int = 0, *, defects: tuple[str, ...] = (), surround: Surround = "paper") -> DrawnTray:
    return draw_tray(np.random.default_rng(seed), width=400, height=300, beans=12, defects=defects, surround=surround)


@pytest.fixture(scope="module")
def mixed() -> DrawnTray:
    """One object of each kind among good beans."""
    return draw_tray(np.random.default_rng(3), width=600, height=450, beans=20, defects=DEFECTS)


def filled(outline: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return cv2.fillPoly(np.zeros(shape, np.uint8), [np.rint(outline).astype(np.int32)], 1).astype(bool)


@pytest.mark.parametrize("surround", SURROUNDS)
def test_the_same_generator_draws_the_same_tray(surround: Surround) -> None:
    one, two = (small_tray(5, defects=DEFECTS, surround=surround) for _ in range(2))
    assert np.array_equal(one.photo, two.photo)
    assert np.array_equal(one.instances, two.instances)
    assert np.array_equal(one.defect_mask, two.defect_mask)
    assert one.labels == two.labels
    assert not np.array_equal(one.photo, small_tray(6, defects=DEFECTS, surround=surround).photo)


@pytest.mark.parametrize("surround", SURROUNDS)
def test_a_tray_is_a_bright_photo_with_darker_beans_on_it(surround: Surround) -> None:
    tray = small_tray(surround=surround)
    assert tray.photo.shape == (300, 400, 3)
    assert tray.photo.dtype == np.uint8
    grey = tray.photo.mean(axis=2)
    near = cv2.dilate((tray.instances > 0).astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
    centre = np.zeros_like(near)
    centre[75:225, 75:325] = True  # clear of any surround
    assert np.median(grey[centre & ~near]) > 190
    assert np.median(grey[tray.instances > 0]) < 150


def test_a_good_tray_has_no_defect_pixel() -> None:
    tray = small_tray()
    assert tray.labels == ("good",) * 12
    assert not tray.defect_mask.any()


def test_labels_count_what_was_asked_for(mixed: DrawnTray) -> None:
    assert len(mixed.labels) == len(mixed.outlines) == mixed.instances.max() == 20
    assert sorted(mixed.labels) == sorted((*DEFECTS, *("good",) * 10))


def test_outlines_match_instances(mixed: DrawnTray) -> None:
    for number, outline in enumerate(mixed.outlines, start=1):
        inside, instance = filled(outline, mixed.instances.shape), mixed.instances == number
        assert (inside & instance).sum() / (inside | instance).sum() > 0.98, mixed.labels[number - 1]
        assert outline.dtype == np.float32


def test_every_defect_has_pixels_and_no_good_bean_has_any(mixed: DrawnTray) -> None:
    for number, label in enumerate(mixed.labels, start=1):
        share = mixed.defect_mask[mixed.instances == number].mean()
        if label == "good":
            assert share == 0
        elif label in (*LOCAL, *CUT):
            assert 0 < share < 0.7, label
        else:
            assert share == 1, label


def test_only_missing_parts_lie_outside_of_beans(mixed: DrawnTray) -> None:
    """Each defect pixel on the background is near a broken or chipped bean."""
    cut = np.isin(mixed.instances, [k for k, label in enumerate(mixed.labels, start=1) if label in CUT])
    missing = mixed.defect_mask & (mixed.instances == 0)
    assert missing.any()
    near = cv2.dilate(cut.astype(np.uint8), np.ones((61, 61), np.uint8)) > 0
    assert not (missing & ~near).any()


def test_objects_touch_but_never_overlap() -> None:
    rng = np.random.default_rng(1)
    apart = draw_tray(rng, width=500, height=400, beans=15, touching=0.0)
    together = draw_tray(rng, width=500, height=400, beans=15, touching=1.0)
    assert pieces(apart) == 15
    assert pieces(together) < 10
    for tray in (apart, together):  # what one bean hides of another would be missing from its ellipse
        for outline in tray.outlines:
            hull = cv2.contourArea(cv2.convexHull(outline))
            assert cv2.contourArea(outline) / hull > 0.93


def pieces(tray: DrawnTray) -> int:
    closed = cv2.morphologyEx((tray.instances > 0).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    return cv2.connectedComponents(closed)[0] - 1


def test_beans_stay_inside_the_photo() -> None:
    for seed in range(5):
        instances = small_tray(seed).instances
        assert not instances[[0, -1]].any()
        assert not instances[:, [0, -1]].any()


@pytest.mark.parametrize("name", OVERLAYS)
@pytest.mark.parametrize("seed", range(4))
def test_a_defect_changes_what_it_marks_and_nothing_else(name: str, seed: int) -> None:
    """The same bean is drawn with and without the defect; whole-bean defects mark all that they may change."""
    form = draw_form(name, 60.0, np.random.default_rng(seed))
    good = draw_surface("good", form, TONE, np.random.default_rng(seed))
    bad = draw_surface(name, form, TONE, np.random.default_rng(seed))
    visible = form_inside = good.canvas.cover > 0
    changed = (
        (np.abs(good.albedo - bad.albedo).max(axis=2) > 0) | (good.height != bad.height) | (good.cover != bad.cover)
    )
    assert not (changed & visible & ~bad.mark).any()
    assert not (bad.mark & ~form_inside).any()
    core = bad.mark & (good.canvas.cover == 1)
    assert changed[core].mean() > 0.95
    assert not good.mark.any()


@pytest.mark.parametrize("name", LOCAL)
def test_trays_with_and_without_a_local_defect_differ_only_there(name: str) -> None:
    good, bad = small_tray(2), small_tray(2, defects=(name,))
    difference = np.abs(good.photo.astype(int) - bad.photo.astype(int)).max(axis=2)
    blurred = cv2.dilate(bad.defect_mask.astype(np.uint8), np.ones((17, 17), np.uint8)) > 0  # reach of lens and chroma
    assert difference[bad.defect_mask].mean() > 10
    assert difference[~blurred].max() <= 3  # light in the hollow around
    assert (difference[~blurred] == 0).mean() > 0.998
    assert np.array_equal(good.instances, bad.instances)


@pytest.mark.parametrize(
    ("name", "compare"),
    [
        ("black", lambda good, bad: bad.mean() < 0.5 * good.mean()),
        ("sour", lambda good, bad: bad[0] / bad[1] > 1.2 * good[0] / good[1]),
        ("parchment", lambda good, bad: bad.mean() > 1.15 * good.mean()),
        ("immature", lambda good, bad: bad.mean() > good.mean()),
    ],
)
def test_defects_of_the_whole_bean_have_their_colour(name: str, compare: object) -> None:
    beans = {kind: [mean_albedo(kind, seed) for seed in range(12)] for kind in ("good", name)}
    assert compare(*(np.mean(beans[kind], axis=0) for kind in ("good", name)))  # type: ignore[operator]


def mean_albedo(name: str, seed: int) -> np.ndarray:
    form = draw_form(name, 60.0, np.random.default_rng(seed))
    sketch = draw_surface(name, form, TONE, np.random.default_rng(seed))
    return sketch.albedo[sketch.cover > 0.5].mean(axis=0)


@pytest.mark.parametrize(("name", "least", "most"), [("broken", 0.2, 0.55), ("chipped", 0.01, 0.15)])
def test_parts_are_missing(name: str, least: float, most: float) -> None:
    for seed in range(8):
        form = draw_form(name, 60.0, np.random.default_rng(seed))
        sketch = draw_surface(name, form, TONE, np.random.default_rng(seed))
        assert least < 1 - sketch.cover.sum() / sketch.canvas.cover.sum() < most


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"defects": ("mold",)}, "no defect 'mold': choose from black"),
        ({"beans": 2, "defects": ("black",) * 3}, "one for each of 3 defects, got 2"),
        ({"beans": 0}, "at least one bean"),
        ({"width": 100, "height": 100}, "40 beans in 100 x 100 pixels would be 8 pixels long, at least 16"),
        ({"width": 300, "height": 90, "beans": 2, "surround": "table"}, "pixels do not fit into"),
        ({"touching": 1.5}, r"must lie in \[0, 1\], got 1.5"),
        ({"surround": "sack"}, "must be one of paper, table, tray, got 'sack'"),
    ],
)
def test_impossible_trays_are_refused(wrong: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        draw_tray(np.random.default_rng(0), **wrong)


@pytest.mark.parametrize("name", ["good", *DEFECTS])
def test_sketches_are_drawn_in_single_precision(name: str) -> None:
    """Double precision looks the same and takes twice as long."""
    for seed in range(3):
        sketch = draw_surface(
            name, draw_form(name, 40.0, np.random.default_rng(seed)), TONE, np.random.default_rng(seed)
        )
        assert {layer.dtype for layer in (sketch.albedo, sketch.height, sketch.cover)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("name", ["good", *DEFECTS])
def test_even_the_smallest_beans_can_be_drawn(name: str) -> None:
    tray = draw_tray(
        np.random.default_rng(1), width=140, height=120, beans=15, defects=(name,) * 3 if name != "good" else ()
    )
    assert len(tray.outlines) == 15


def test_noise_has_the_asked_shape_and_range() -> None:
    field = noise(np.random.default_rng(0), (70, 50), (9, 4), octaves=3)
    assert field.shape == (70, 50)
    assert field.dtype == np.float32
    assert abs(float(field.mean())) < 0.2
    assert float(np.abs(field).max()) < 2.5


def test_colours_survive_the_way_to_linear_light_and_back() -> None:
    assert developed(colour(12, 130, 255)[np.newaxis, np.newaxis]).tolist() == [[[12, 130, 255]]]
    assert GAMMA > 1


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> DemoData:
    return write_demo_data(tmp_path_factory.mktemp("demo"), train_trays=2, test_trays=2, beans=15)


def test_the_project_reads_its_own_demo(written: DemoData) -> None:
    train = open_source(written.folder, purpose="train")
    test = open_source(written.folder, outlines=written.annotations)
    assert [item.path for item in train.items] == list(written.train)
    assert [item.path for item in test.items] == list(written.test)
    assert [item.mask_path for item in test.items] == list(written.masks)
    assert all(len(item.outlines or ()) == 15 for item in test.items)


def test_annotations_and_masks_agree(written: DemoData) -> None:
    coco = read_coco(written.annotations)
    assert not coco.unusable
    for item, path in zip(coco.items, written.masks, strict=True):
        mask = read_mask(path)
        assert mask.shape == read_photo(item.path).shape[:2]
        for outline, label in zip(item.outlines or (), item.outline_labels or (), strict=True):
            assert mask[filled(outline, mask.shape)].any() == (label != "good")
    labels = [label for item in coco.items for label in item.outline_labels or ()]
    assert labels.count("good") == 18
    assert {label for label in labels if label != "good"} == set(DEFECTS)


def test_a_photo_depends_on_the_seed_and_its_number_alone(written: DemoData, tmp_path: Path) -> None:
    shorter = write_demo_data(tmp_path, train_trays=1, test_trays=1, beans=15)
    assert shorter.train[0].read_bytes() == written.train[0].read_bytes()
    assert shorter.test[0].read_bytes() == written.test[0].read_bytes()
    other = write_demo_data(tmp_path, seed=1, train_trays=1, test_trays=1, beans=15)
    assert other.train[0].read_bytes() != written.train[0].read_bytes()


def test_progress_is_told_photo_by_photo(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write_demo_data(tmp_path, train_trays=1, test_trays=1, beans=4, progress=lambda *step: told.append(step))
    assert told == [(1, 2), (2, 2)]


def test_a_demo_needs_trays_and_a_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one to test with, got 1 and 0"):
        write_demo_data(tmp_path, train_trays=1, test_trays=0)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        write_demo_data(tmp_path / "file", train_trays=1, test_trays=1, beans=1)


def test_trays_of_an_earlier_drawing_do_not_stay(tmp_path: Path) -> None:
    write_demo_data(tmp_path, train_trays=3, test_trays=2, beans=4)
    others = [tmp_path / "train" / "good" / name for name in ("mine.jpg", "tray_of_mine.jpg", "tray_001.png")]
    others += [tmp_path / "ground_truth" / "mixed" / "tray_001.png"]
    for path in others:
        path.write_bytes(b"mine")
    drawn = write_demo_data(tmp_path, seed=1, train_trays=1, test_trays=1, beans=4)
    left = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {*drawn.train, *drawn.test, *drawn.masks, drawn.annotations, *others}

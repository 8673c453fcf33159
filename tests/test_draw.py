"""Pictures say what the verdicts say, where they say it, at every size of photo."""

from __future__ import annotations

import builtins
import sys
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cafepick.draw import captioned_grid, curves, masks, overlay, panel, sample_grid
from cafepick.draw.ink import BLUE, GREEN, GREY, INK, RED, VERMILION, paint, text, text_size
from cafepick.draw.labels import Ground
from cafepick.errors import MissingExtraError
from cafepick.types import Box, Crop, Evidence, Judgement, Outline, Verdict

PAPER = 200
SIZE = 32


def disc(x: float, y: float, radius: float) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], axis=1).astype(np.float32)


def evidence(segmentation: np.ndarray, to_photo: np.ndarray, box: Box, channels: int = 3) -> Evidence:
    size = segmentation.shape[0]
    crop = Crop(np.full((size, size, channels), 90, np.uint8), np.ones((size, size), bool), to_photo, box)
    return Evidence(
        crop, np.full((size, size, channels), 60, np.uint8), np.zeros((size, size), np.float32), segmentation
    )


def bean(number: int, judgement: Judgement, x: float, y: float, radius: float = 20) -> Verdict:
    """A round bean whose defect, if NG, is the square of half its size in its middle."""
    box = Box(x - radius, y - radius, 2 * radius, 2 * radius)
    outline = Outline(disc(x, y, radius), cut=judgement is Judgement.CUT)
    defect = np.zeros((SIZE, SIZE), bool)
    defect[8:24, 8:24] = judgement is Judgement.NG
    step = 2 * radius / SIZE
    to_photo = np.array([[step, 0, x - radius + step / 2], [0, step, y - radius + step / 2]])
    shown = None if judgement is Judgement.CUT else evidence(defect, to_photo, box)
    return Verdict(number, judgement, box, outline=outline, evidence=shown)


def whole(judgement: Judgement, shape: tuple[int, int] = (28, 28)) -> Verdict:
    defect = np.zeros((28, 28), bool)
    defect[:7, :7] = True
    height, width = shape
    to_photo = np.array([[width / 28, 0, 0], [0, height / 28, 0]])
    return Verdict(
        1, judgement, Box(0, 0, width, height), evidence=evidence(defect, to_photo, Box(0, 0, width, height), 1)
    )


def paper(height: int = 200, width: int = 300) -> np.ndarray:
    return np.full((height, width, 3), PAPER, np.uint8)


TRAY = [
    bean(1, Judgement.OK, 60, 60),
    bean(2, Judgement.NG, 200, 60),
    bean(3, Judgement.CUT, 60, 150),
    bean(4, Judgement.OK, 200, 150),
]


def share(picture: np.ndarray, colour: tuple[int, int, int]) -> float:
    """Share of the pixels that have about this colour."""
    return float(np.mean(np.abs(picture.astype(int) - colour).max(axis=2) < 25))


def around(picture: np.ndarray, verdict: Verdict, photo: np.ndarray) -> np.ndarray:
    """The part of an overlay that shows one bean with its outline."""
    factor = picture.shape[1] / photo.shape[1]
    x, y, width, height = (round(value * factor) for value in verdict.box)
    edge = round(4 * factor)
    return picture[max(y - edge, 0) : y + height + edge, max(x - edge, 0) : x + width + edge]


def test_each_verdict_has_its_own_style() -> None:
    picture = overlay(paper(), TRAY)
    ok, ng, cut, _ = (around(picture, verdict, paper()) for verdict in TRAY)
    assert share(ng, VERMILION) > 3 * share(ok, BLUE) > 0, "NG is the loud one"
    assert share(ng, BLUE) == share(ok, VERMILION) == share(cut, VERMILION) == share(cut, BLUE) == 0
    assert share(cut, GREY) > 0


def test_ng_differs_from_ok_without_colour() -> None:
    grey = cv2.cvtColor(overlay(paper(), TRAY), cv2.COLOR_RGB2GRAY)[..., np.newaxis].repeat(3, axis=2)
    ok, ng = (around(grey, verdict, paper()) for verdict in TRAY[:2])
    assert np.mean(np.abs(ng.astype(int) - PAPER) > 30) > 3 * np.mean(np.abs(ok.astype(int) - PAPER) > 30)


def test_the_defect_is_painted_red_inside_the_ng_bean() -> None:
    picture = overlay(paper(), TRAY)
    factor = picture.shape[1] / 300
    middle = picture[round(60 * factor), round(200 * factor)].astype(int)
    expected = 0.45 * np.full(3, PAPER) + 0.55 * np.array(RED)
    assert np.abs(middle - expected).max() <= 2
    untouched = picture[round(60 * factor), round(60 * factor)]
    assert np.all(untouched == PAPER), "an OK bean stays as it is"


def test_most_of_the_photo_stays_as_it_was() -> None:
    picture = overlay(paper(400, 600), TRAY)
    height = round(400 * picture.shape[1] / 600)
    assert np.mean(np.all(picture[:height] == PAPER, axis=2)) > 0.9


@pytest.mark.parametrize("shape", [(120, 160), (500, 500), (768, 512), (3000, 4000), (90, 1000)])
def test_photos_of_any_size_give_a_picture_that_can_be_read(shape: tuple[int, int]) -> None:
    photo = paper(*shape)
    picture = overlay(photo, [bean(12, Judgement.NG, shape[1] / 2, shape[0] / 2, min(shape) / 12)])
    factor = picture.shape[1] / shape[1]
    assert picture.dtype == np.uint8
    assert factor >= 1
    assert min(shape) * factor > 550
    assert 2 * min(shape) / 12 * factor > 85, "a bean is large enough for its number"
    bar = picture.shape[0] - round(shape[0] * factor)
    assert 30 <= bar < 0.1 * max(picture.shape), "the legend lies below the photo"


@pytest.mark.parametrize("shape", [(3, 20000), (20, 8000), (8000, 20), (2, 12000), (3, 70000)])
def test_a_thin_photo_gives_a_picture_hardly_larger_than_itself(shape: tuple[int, int]) -> None:
    """A legend as wide as the photo calls for would be thousands of pixels high."""
    for verdict in (whole(Judgement.NG, shape), replace(bean(1, Judgement.NG, 9, 1, 1), reason="darker than all")):
        picture = overlay(paper(*shape), [verdict])
        assert max(picture.shape) <= max(8000, *shape) + 100
        assert min(picture.shape[:2]) <= min(shape) + 100


def test_the_legend_counts() -> None:
    def legend(verdicts: list[Verdict]) -> np.ndarray:
        picture = overlay(paper(600, 900), verdicts)
        return picture[600:]

    assert np.array_equal(legend(TRAY), legend(TRAY[::-1])), "the order does not matter"
    assert not np.array_equal(legend(TRAY), legend(TRAY[:3])), "the number of OK beans does"
    assert share(legend(TRAY[:2]), GREY) < share(legend(TRAY[:3]), GREY), "CUT is named where there is one"


@given(st.lists(st.tuples(st.integers(-30, 330), st.integers(-30, 230), st.integers(12, 60)), max_size=8), st.randoms())
@settings(max_examples=25)
def test_no_arrangement_of_beans_breaks_the_drawing(places, random) -> None:
    kinds = [Judgement.OK, Judgement.NG, Judgement.CUT]
    beans = [bean(n, random.choice(kinds), *place) for n, place in enumerate(places, start=1)]
    photo = paper(48, 64)
    before = photo.copy()
    picture = overlay(photo, beans)
    assert picture.shape[2] == 3
    assert np.array_equal(photo, before), "the photo itself is not drawn upon"


@pytest.mark.parametrize(("judgement", "colour"), [(Judgement.NG, VERMILION), (Judgement.OK, BLUE)])
def test_a_photo_that_is_the_subject_gets_a_frame(judgement: Judgement, colour: tuple[int, int, int]) -> None:
    picture = overlay(paper(28, 28), [whole(judgement)])
    height = picture.shape[1]  # square photo, square frame
    frame = np.vstack([picture[:4], picture[height - 4 : height]])
    assert share(frame, colour) > 0.2
    painted = share(picture, tuple(round(0.45 * PAPER + 0.55 * part) for part in RED)) > 0.02
    assert painted == (judgement is Judgement.NG)


def test_a_photo_without_beans_says_so() -> None:
    empty = overlay(paper(), [Verdict(0, Judgement.EMPTY, Box(0, 0, 0, 0))])
    assert np.array_equal(empty, overlay(paper(), []))
    assert share(empty[-30:], (38, 38, 38)) > 0.002


def test_masks_mark_the_defects_of_ng_beans_only() -> None:
    found = masks((200, 300), TRAY)
    assert found.shape == (200, 300)
    assert set(np.unique(found)) == {0, 255}
    assert found[52:69, 192:209].all(), "the middle of bean 2"
    found[49:72, 189:212] = 0
    assert not found.any()


def test_a_missing_part_may_lie_on_paper_but_not_on_another_bean() -> None:
    ng = bean(1, Judgement.NG, 100, 100)
    neighbour = bean(2, Judgement.OK, 125, 100)
    everywhere = replace(ng.evidence, segmentation=np.ones((SIZE, SIZE), bool))
    found = masks((200, 300), [replace(ng, evidence=everywhere), neighbour])
    covered = cv2.fillPoly(np.zeros((200, 300), np.uint8), [np.rint(neighbour.outline.contour).astype(np.int32)], 1)
    assert found[82, 83] == 255, "a corner of the box, outside the bean"
    assert not found[covered > 0].any()


def test_a_mask_covers_the_whole_photo_of_a_whole_subject() -> None:
    found = masks((56, 84), [whole(Judgement.NG, (56, 84))])
    assert found[:12, :18].all()
    assert not found[18:].any()


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (64, 3), (128, 3), (250, 1), (256, 3)])
def test_a_panel_shows_four_pictures_large_enough_to_see(size: int, channels: int) -> None:
    segmentation = np.zeros((size, size), bool)
    segmentation[size // 4 : size // 2, size // 4 : size // 2] = True
    shown = evidence(segmentation, np.eye(2, 3), Box(0, 0, size, size), channels)
    four = panel(shown)
    assert four.shape[1] > 4 * 256
    assert share(four, (90, 90, 90)) > 0.3, "input, twice"
    assert share(four, (60, 60, 60)) > 0.15, "reconstruction"
    red = tuple(round(0.45 * 90 + 0.55 * part) for part in RED)
    assert share(four, red) == pytest.approx(0.2 / 16, rel=0.25)
    five = panel(shown, segmentation)
    assert five.shape[1] > 5 * 256
    assert share(five, tuple(round(0.45 * 90 + 0.55 * part) for part in GREEN)) > 0.005
    assert share(four, tuple(round(0.45 * 90 + 0.55 * part) for part in GREEN)) == 0


def test_anomaly_maps_of_different_subjects_compare() -> None:
    """The colour of an error is fixed; it does not depend on what else is in the map."""
    plain = evidence(np.zeros((64, 64), bool), np.eye(2, 3), Box(0, 0, 64, 64))
    low, high = np.full((2, 64, 64), 0.3, np.float32)
    high[:8] = 2
    first, second = (panel(replace(plain, anomaly_map=values)) for values in (low, high))
    assert np.array_equal(first[200, 700], second[200, 700])
    assert first[60, 700].astype(int).sum() < second[60, 700].astype(int).sum()


@given(st.integers(1, 40), st.sampled_from([16, 28, 64, 128]), st.sampled_from([1, 3]))
def test_a_grid_holds_every_sample(n: int, size: int, channels: int) -> None:
    images = np.full((n, size, size, channels), 10, np.uint8)
    grid = sample_grid(images)
    assert grid.ndim == 3
    assert grid.shape[2] == 3
    side = size * -(-64 // size)
    assert np.sum(np.all(grid == 10, axis=2)) == n * side**2


@dataclass(frozen=True)
class Record:
    step: int
    d_loss: float
    g_loss: float
    real_accuracy: float


RECORDS = [Record(step, 1 / step, 2 - 1 / step, 0.5 + 0.4 * np.sin(step)) for step in range(1, 200)]


def test_curves_show_losses_and_accuracies() -> None:
    picture = curves(RECORDS)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    above, below = picture[:350], picture[350:]
    assert share(above, BLUE) > 0.0005
    assert share(above, VERMILION) > 0.0005
    assert share(below, BLUE) > 0.0005


def test_curves_take_series_as_well() -> None:
    series = {
        name: [getattr(record, name) for record in RECORDS] for name in ("step", "d_loss", "g_loss", "real_accuracy")
    }
    assert np.array_equal(curves(series), curves(RECORDS))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_run_that_has_just_begun_can_be_drawn(n: int) -> None:
    assert curves(RECORDS[:n]).shape == curves(RECORDS).shape


def test_curves_leave_no_figure_behind() -> None:
    curves(RECORDS)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_curves_without_matplotlib_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without_matplotlib(name: str, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    with pytest.raises(MissingExtraError, match=r"pip install 'cafepick\[train\]'"):
        curves(RECORDS)


def test_labels_keep_off_beans_and_each_other_where_there_is_room() -> None:
    contours = [disc(60 + 90 * column, 60 + 90 * row, 30) for row in range(3) for column in range(3)]
    ground = Ground((300, 300), contours)
    beans = ground.cover > 0
    for own in range(1, 10):
        area = ground.place(24, 14, own=own, gap=3)
        assert not area.of(beans).any()
        assert np.all(area.of(ground.cover) == -1)
    assert np.sum(ground.cover == -1) == 9 * 24 * 14, "no label covers another"


def test_labels_stay_in_the_picture() -> None:
    ground = Ground((100, 100), [disc(99, 1, 30)])
    area = ground.place(40, 20, own=1, gap=5)
    assert area.x >= 0
    assert area.y >= 0
    assert area.x + area.width <= 100
    assert area.y + area.height <= 100


def test_text_grows_with_its_font() -> None:
    small, large = text_size("NG 12", 12), text_size("NG 12", 24)
    assert large[0] == pytest.approx(2 * small[0], rel=0.15)
    assert large[1] > 1.6 * small[1]


@pytest.mark.parametrize("height", [13, 20, 25, 34])
@pytest.mark.parametrize("words", ["greyer", "good", "pygmy", "lot", "\u00c5ng"])
def test_no_letter_is_cut_off(words: str, height: int) -> None:
    sheet = np.full((90, 260, 3), 255, np.uint8)
    text(sheet, words, (130, 45), height=height, colour=INK)
    rows = np.flatnonzero((sheet < 255).any(axis=(1, 2)))
    assert rows[-1] - rows[0] + 1 >= text_size(words, height)[1] - 1


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (8, 8, 1), (9, 8, 2)])
def test_a_grid_with_words_shows_each_picture_and_its_words(count: int, columns: int, rows: int) -> None:
    images = np.full((count, 64, 64, 3), 90, np.uint8)
    grid = captioned_grid(images, [("name", "why")] * count)
    assert ((grid == 90).all(axis=2)).sum() >= count * 128 * 128
    step = grid.shape[1] // columns
    assert (step, grid.shape[0] // rows) == (pytest.approx(182, abs=12), pytest.approx(174, abs=12))
    assert (grid[140:172, :step] < 200).any(), "no words below the first"


def test_words_too_long_for_their_picture_lose_their_middle() -> None:
    images = np.full((2, 64, 64, 3), 255, np.uint8)
    grid = captioned_grid(images, [("1: " + "x" * 200 + "end", "why\nnot"), ("", "")])
    rows, columns = np.nonzero((grid < 200).any(axis=2))
    assert columns.max() < grid.shape[1] / 2, "words run into the next picture"
    assert rows.max() < grid.shape[0]


def test_reasons_are_listed_one_by_one_until_they_are_too_many() -> None:
    photo = paper(400, 600)
    few = [replace(bean(n, Judgement.NG, 30 + n, 30), reason="darker than all good ones") for n in range(1, 13)]
    many = [replace(bean(n, Judgement.NG, 30 + n, 30), reason="darker than all good ones") for n in range(1, 203)]
    silent = [replace(one, reason="") for one in few]
    bare = overlay(photo, silent).shape[0]
    assert overlay(photo, few).shape[0] > bare + 60
    assert bare < overlay(photo, many).shape[0] < overlay(photo, few).shape[0], "one line says it for all"


def test_defects_far_apart_are_painted_as_if_each_were_alone() -> None:
    ground = np.random.default_rng(0).integers(0, 256, (120, 200, 3), np.uint8)
    regions = [np.zeros((120, 200), bool) for _ in range(4)]
    regions[0][:9, :5] = True  # in the corner
    regions[1][40:60, 100:130] = regions[1][45:50, 110:120] = True
    regions[1][45:50, 110:120] = False  # a hole
    regions[2][44:70, 140:150] = True  # beside it
    regions[3][119, 199] = True
    together, apart = ground.copy(), ground.copy()
    paint(together, np.any(regions, axis=0), RED)
    for region in regions:
        paint(apart, region, RED)
    assert np.array_equal(together, apart)
    untouched = cv2.dilate(np.any(regions, axis=0).astype(np.uint8), np.ones((5, 5), np.uint8)) == 0
    assert np.array_equal(together[untouched], ground[untouched])
    assert not np.array_equal(together, ground)


def test_the_first_place_that_hides_nothing_is_taken() -> None:
    ground = Ground((200, 200), [disc(100, 100, 30)])
    first, second = ground.place(20, 10, own=1, gap=3), ground.place(20, 10, own=1, gap=3)
    assert first.x > 100
    assert first.y < 100, "above right"
    assert second != first, "and is no longer free"

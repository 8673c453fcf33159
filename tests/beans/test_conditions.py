"""A photo under other light, on another surface or from another distance is noticed; one like the good ones is not."""

from __future__ import annotations

import json
from dataclasses import asdict

import cv2
import numpy as np
import pytest

from cafepick.beans.conditions import Conditions, Range, conditions_of, gathered, too_few_pixels
from cafepick.beans.find import find_beans
from cafepick.data.demo import draw_tray

PHOTO = draw_tray(np.random.default_rng(3), width=900, height=700, beans=30).photo


def seen(photo: np.ndarray) -> Conditions:
    return conditions_of(find_beans(photo))


@pytest.fixture(scope="module")
def good() -> Range:
    found = Range.of([seen(PHOTO), seen(PHOTO[::-1].copy())])
    assert found is not None
    return found


def test_a_photo_like_the_good_ones_is_not_odd(good: Range) -> None:
    other = draw_tray(np.random.default_rng(4), width=900, height=700, beans=30).photo
    assert good.oddities(seen(other), size_counts=True) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (PHOTO // 2, "much darker"),
        ((PHOTO * np.array([1.0, 0.93, 0.75])).astype(np.uint8), "another colour"),
        (cv2.resize(PHOTO, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA), "go nearer"),
        (cv2.resize(PHOTO, None, fx=1.5, fy=1.5), "go farther away"),
    ],
)
def test_what_changed_is_said(good: Range, changed: np.ndarray, said: str) -> None:
    (oddity,) = good.oddities(seen(changed), size_counts=True)
    assert said in oddity


def test_where_only_relative_size_counts_only_lost_detail_is_odd(good: Range) -> None:
    def found(factor: float) -> list[str]:
        photo = cv2.resize(PHOTO, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        return good.oddities(seen(photo), size_counts=False)

    assert found(1.5) == found(0.7) == []
    assert "go nearer" in found(0.4)[0]


def test_a_range_holds_what_lies_within_its_margins(good: Range) -> None:
    lightness, redness, yellowness = good.surface_high
    assert good.holds(good.surface_low, (0, 0, 0))
    assert good.holds((lightness + 2, redness, yellowness), (3, 0.5, 2))
    assert not good.holds((lightness + 4, redness, yellowness), (3, 0.5, 2))
    assert not good.holds((lightness, redness + 1, yellowness), (3, 0.5, 2))


def test_ranges_survive_json(good: Range) -> None:
    assert Range.from_json(json.loads(json.dumps(asdict(good)))) == good


def test_photos_without_beans_say_nothing() -> None:
    empty = seen(np.full((200, 300, 3), 230, np.uint8))
    assert empty.length == 0
    assert Range.of([empty]) is None


def test_what_many_photos_show_is_one_line_of_each_kind(good: Range) -> None:
    lengths = {"a": 7.4, "b": 900.2, "c": 3.0, "d": 11.6, "e": good.length_low}
    near, far = good.length_low, good.length_high
    photos = [Conditions(good.surface_low, length) for length in lengths.values()]
    said = [(name, good.oddities(photo, size_counts=True)) for name, photo in zip(lengths, photos, strict=True)]
    said += [("f", ["the surface is much darker than in the good photos"])] * 2
    assert gathered(said) == [
        (f"the beans are 3 to 12 pixels long, in the good photos {near:.0f} to {far:.0f}: go nearer", 3, "a"),
        (f"the beans are 900 pixels long, in the good photos {near:.0f} to {far:.0f}: go farther away", 1, "b"),
        ("the surface is much darker than in the good photos", 2, "f"),
    ]
    assert gathered([]) == []


def test_photos_of_too_few_pixels_are_one_line() -> None:
    said = [(name, [too_few_pixels(shown, 192)]) for name, shown in (("a", 100), ("b", 90), ("c", 128))]
    assert gathered(said) == [
        ("the photo shows 90 to 128 pixels a side, good ones were seen with 192: take larger photos", 3, "a")
    ]

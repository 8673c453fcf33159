"""Which subjects several photos show."""

from __future__ import annotations

import numpy as np
import pytest

from cafepick.scoring.again import shown_first

LOOKS = 57
"""Numbers that tell how a bean looks."""


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), np.uint8)


def looks(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (count, LOOKS))


def photos(*beans: int) -> np.ndarray:
    return np.repeat(np.arange(len(beans)), beans)


def shaken(seen: np.ndarray, by: float = 0.1, seed: int = 9) -> np.ndarray:
    """How the same beans look in another photo."""
    return seen + np.random.default_rng(seed).normal(0, by, seen.shape)


def test_different_beans_are_all_shown_first() -> None:
    assert shown_first(images(240), photos(60, 60, 60, 60), looks(240)).all()
    assert shown_first(images(300), np.arange(300), looks(300)).all()  # one a photo


def test_copies_of_a_photo_count_once_whatever_the_subject() -> None:
    some = images(10)
    twice, of = np.concatenate([some, some, images(5, seed=1)]), photos(10, 10, 5)
    assert shown_first(twice, of).tolist() == [True] * 10 + [False] * 10 + [True] * 5
    assert shown_first(twice[::-1], of[::-1]).tolist() == [True] * 5 + [False] * 10 + [True] * 10
    assert shown_first(np.concatenate([some, some]), np.zeros(20, int)).all()  # in one photo they are not copies


@pytest.mark.parametrize("shots", [2, 6])
def test_beans_photographed_again_count_once(shots: int) -> None:
    seen = looks(40)
    again = np.concatenate([shaken(seen, seed=shot) for shot in range(shots)])
    first = shown_first(images(40 * shots), photos(*[40] * shots), again)
    assert first[:40].all()
    assert not first[40:].any()


@pytest.mark.parametrize(("by", "is_same"), [(0.35, True), (0.5, False)])
def test_how_alike_beans_must_be(by: float, is_same: bool) -> None:
    seen = looks(40)
    first = shown_first(images(80), photos(40, 40), np.concatenate([seen, shaken(seen, by)]))
    assert first[:40].all()
    assert np.mean(~first[40:]) == pytest.approx(float(is_same), abs=0.1)


def test_beans_of_lots_that_look_different_are_not_taken_for_each_other() -> None:
    lots = np.concatenate([looks(200), looks(60, seed=2) + 5])
    assert shown_first(images(260), photos(50, 50, 50, 50, 30, 30), lots).all()


def test_what_a_photo_that_was_left_out_shows_is_new_in_the_next() -> None:
    seen, more, last = looks(20), looks(8, seed=5), looks(12, seed=6)
    mostly = np.concatenate([shaken(seen[:12]), more])
    third = np.concatenate([shaken(more, seed=3), last])
    first = shown_first(images(60), photos(20, 20, 20), np.concatenate([seen, mostly, third]))
    assert [int(first[begin : begin + 20].sum()) for begin in (0, 20, 40)] == [20, 0, 20]


def test_a_photo_that_shows_mostly_the_same_beans_shows_nothing_new() -> None:
    seen, new = looks(20), looks(20, seed=5)
    mostly, partly = (np.concatenate([shaken(seen[:count]), new[count:]]) for count in (11, 9))
    for second, shown in ((mostly, 0), (partly, 11)):
        first = shown_first(images(40), photos(20, 20), np.concatenate([seen, second]))
        assert first[:20].all()
        assert first[20:].sum() == shown


def test_one_photo_and_none_are_fine() -> None:
    assert shown_first(images(3), np.zeros(3, int), looks(3)).all()
    assert shown_first(images(0), np.empty(0, int), looks(0)).shape == (0,)

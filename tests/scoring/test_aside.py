"""Photos are kept aside whole, and those in a light of their own only where they must be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cafepick.errors import CalibrationError, ConfigError
from cafepick.scoring.aside import hold_back
from cafepick.scoring.light import Shown

groups_ = st.lists(st.integers(0, 12), min_size=2, max_size=150).filter(lambda groups: len(set(groups)) > 1)
shares = st.floats(0.01, 0.99)


@given(groups_, shares, st.integers(0, 5))
def test_a_photo_is_never_split(groups, share, seed):
    held = hold_back(groups, share, seed).which
    photos = {(group, bool(side)) for group, side in zip(groups, held, strict=True)}
    assert len(photos) == len(set(groups))
    assert held.any()
    assert not held.all()


@given(groups_, shares, st.integers(0, 5), st.randoms())
def test_the_same_photos_are_held_back_whatever_the_order_of_the_subjects(groups, share, seed, random):
    held = hold_back(groups, share, seed).which
    order = list(range(len(groups)))
    random.shuffle(order)
    assert hold_back([groups[i] for i in order], share, seed).which.tolist() == held[order].tolist()


@given(st.integers(2, 400), shares, st.integers(0, 5))
def test_photos_of_one_subject_each_are_held_back_by_the_share(count, share, seed):
    held = hold_back(np.arange(count), share, seed).which.sum()
    assert held == pytest.approx(np.clip(share * count, 1, count - 1), abs=0.5 + 1e-9)


def test_seeds_choose_and_every_photo_can_be_chosen():
    groups = np.repeat(np.arange(5), 4)
    chosen = {tuple(np.unique(groups[hold_back(groups, 0.2, seed).which])) for seed in range(60)}
    assert chosen == {(0,), (1,), (2,), (3,), (4,)}


DAY, EVENING, CLOUDY = (90.0, 0.0, 1.0), (78.0, 1.5, 9.0), (84.0, -1.5, -5.0)
lights_ = st.lists(st.sampled_from([DAY, EVENING, CLOUDY]), min_size=2, max_size=12)


def test_a_photo_in_a_light_of_its_own_is_trained_on_while_others_suffice():
    groups = np.repeat(np.arange(4), (20, 30, 25, 25))
    surfaces = np.array([DAY, EVENING, CLOUDY, CLOUDY])[groups]
    chosen = {tuple(set(groups[hold_back(groups, 0.2, seed, surfaces=surfaces).which])) for seed in range(40)}
    assert chosen == {(2,), (3,)}
    assert {tuple(set(groups[hold_back(groups, 0.2, seed).which])) for seed in range(40)} > chosen


@given(lights_, shares, st.integers(0, 5))
def test_photos_in_a_light_that_no_other_shows_are_held_back_last_and_counted(lights, share, seed):
    groups = np.repeat(np.arange(len(lights)), 10)
    which, alone = hold_back(groups, share, seed, surfaces=np.array(lights)[groups])
    held = set(groups[which])
    trained_on = {lights[photo] for photo in range(len(lights)) if photo not in held}
    assert set(alone) == {photo for photo in held if lights[photo] not in trained_on}
    assert (alone == ()) == (len(held) <= len(lights) - len(set(lights)))


@given(st.integers(2, 40), shares, st.integers(0, 5))
def test_in_one_light_the_same_photos_are_held_back_as_where_light_is_not_known(count, share, seed):
    groups = np.repeat(np.arange(count), 3)
    which, alone = hold_back(groups, share, seed, surfaces=np.tile(DAY, (len(groups), 1)))
    assert (which.tolist(), alone) == (hold_back(groups, share, seed).which.tolist(), ())


def test_of_photos_that_are_all_alone_the_one_nearest_to_others_is_held_back():
    groups = np.repeat(np.arange(3), 10)
    surfaces = np.array([DAY, (90.0, 0.0, 7.0), EVENING])[[1, 2, 0]][groups]
    for seed in range(20):
        which, alone = hold_back(groups, 0.3, seed, surfaces=surfaces)
        assert (set(groups[which]) < {0, 2}, alone) == (True, tuple(set(groups[which])))


def test_who_shows_the_light_of_one_held_back_is_not_held_back_too():
    chain = np.array([(80.0, 0.0, 0.0), (86.0, 0.0, 0.0), (92.0, 0.0, 0.0)])  # the one amid shows the others' light
    shown = Shown(chain, np.full(3, 10))
    assert shown.parted([0, 1, 2], 20) == ([0, 2], [1])
    assert shown.parted([2, 1, 0], 20) == ([2, 0], [1])
    assert shown.parted([1, 0, 2], 20)[0] == [1]
    assert shown.parted([0, 1, 2], 10) == ([0], [1, 2])
    sizes = np.repeat(np.arange(3), (100, 6, 6))
    for seed in range(20):
        held = hold_back(sizes, 0.95, seed, surfaces=np.tile(DAY, (len(sizes), 1)))
        assert held.alone == (), seed


def test_enough_for_one_percent_are_not_made_more_by_photos_in_a_light_of_their_own():
    groups = np.repeat(np.arange(11), 100)
    surfaces = np.array([DAY, DAY, *((60.0 + 5 * number, 4.0 * number, 0.0) for number in range(9))])[groups]
    for seed in range(5):
        which, alone = hold_back(groups, 0.15, seed, surfaces=surfaces)
        assert (set(groups[which]) < {0, 1}, which.sum(), alone) == (True, 100, ())


def test_a_light_is_shown_by_photos_with_a_tenth_of_the_beans_or_more():
    groups = np.repeat(np.arange(2), (100, 10))
    surfaces = np.tile(DAY, (len(groups), 1))
    which, alone = hold_back(groups, 0.9, 0, surfaces=surfaces)
    assert (which.sum(), alone) == (100, ())
    which, alone = hold_back(groups[1:], 0.9, 0, surfaces=surfaces[:-1])
    assert (which.sum(), alone) == (99, ())
    which, alone = hold_back(groups[:-1], 0.9, 0, surfaces=surfaces[:-1])
    assert (which.sum(), alone) == (9, ()), "the other one, of which no more than nine would have been left"


@pytest.mark.parametrize("groups", [[], [7], [3, 3, 3]])
def test_one_photo_cannot_be_held_back_from_itself(groups):
    words = f"needs at least 2 photos of good subjects, got {len(set(groups))}: add a photo"
    with pytest.raises(CalibrationError, match=words):
        hold_back(groups, 0.2, 0)


@pytest.mark.parametrize("share", [0, 1, float("nan")])
def test_a_share_outside_0_to_1(share):
    with pytest.raises(ConfigError, match="the share to hold back must lie between 0 and 1"):
        hold_back([0, 1], share, 0)

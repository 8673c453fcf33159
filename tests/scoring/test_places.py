"""What good subjects show place by place: what is at the wrong place, what is nowhere, and where."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cafepick.errors import ArtefactError, TrainingError
from cafepick.scoring.appearance import Appearance, apart_from_self, fit_appearance
from cafepick.scoring.places import MOST_STEPS, Places, fit_places, usual_of, worst
from cafepick.types import Layout

if TYPE_CHECKING:
    from collections.abc import Callable

P, D = 16, 5
Tensors = dict[str, np.ndarray]
THINGS = np.random.default_rng(99).normal(size=(4, D)) * 5
LAYOUT = Layout(cells=4, closer=(P, D))


def printed(count: int, seed: int = 0) -> np.ndarray:
    """(count, P, D): each place shows its own; all places together fill a plane of D - 1 dimensions."""
    own = np.random.default_rng(99).normal(size=(P, D)) * ([3.0] * (D - 1) + [0.0])
    return own + 0.3 * np.random.default_rng(seed).normal(size=(count, P, D))


def running_on(count: int, seed: int = 0) -> np.ndarray:
    """(count, P, D): any place may show any of four things."""
    rng = np.random.default_rng(seed)
    return THINGS[rng.integers(0, 4, (count, P))] + 0.3 * rng.normal(size=(count, P, D))


def flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)


def with_grid(x: np.ndarray, seed: int = 0) -> np.ndarray:
    """Descriptors of a grid that tell nothing before those of the closer look."""
    return np.concatenate([np.random.default_rng(seed).normal(size=(len(x), 12)), flat(x)], axis=1)


@pytest.fixture(scope="module")
def parts() -> Places:
    known = fit_places(flat(printed(200)), places=P, seed=0)
    return replace(known, usual=usual_of(known.answers(flat(printed(50, seed=9)))))


@pytest.fixture(scope="module")
def cloth() -> Places:
    return fit_places(flat(running_on(200)), places=P, seed=0)


def test_what_lies_at_another_place_is_odd_here_but_not_anywhere(parts: Places) -> None:
    good, swapped = printed(50, seed=1), printed(50, seed=2)
    swapped[:, [3, 7]] = swapped[:, [7, 3]]
    usual, odd = worst(parts.answers(flat(good))), worst(parts.answers(flat(swapped)))
    assert odd[:, 0].min() > usual[:, 0].max() + 1
    assert abs(np.median(odd[:, 1]) - np.median(usual[:, 1])) < np.std(usual[:, 1])


def test_what_is_nowhere_is_odd_anywhere_even_where_all_things_are_everywhere(cloth: Places) -> None:
    good, holed = running_on(50, seed=1), running_on(50, seed=2)
    holed[:, 6] = THINGS.mean(axis=0)  # between the things
    usual, odd = worst(cloth.answers(flat(good))), worst(cloth.answers(flat(holed)))
    assert odd[:, 1].min() > usual[:, 1].max()
    assert np.median(odd[:, 0]) < usual[:, 0].max(), "no place has a thing of its own"


def test_the_excess_is_highest_where_the_defect_is_and_usually_nearly_nothing(parts: Places) -> None:
    good, spoiled = printed(50, seed=1), printed(50, seed=2)
    spoiled[:, 11] += 3
    usual, odd = parts.excess(parts.answers(flat(good))), parts.excess(parts.answers(flat(spoiled)))
    assert usual.shape == (50, P)
    assert usual.min() >= 0
    assert np.mean(usual) < 0.5
    assert (odd.argmax(axis=1) == 11).all()
    assert odd[:, 11].min() > 2
    np.testing.assert_allclose(np.delete(odd, 11, axis=1).mean(), usual.mean(), atol=0.1)


def test_rows_are_the_same_alone_and_together(parts: Places) -> None:
    rows = flat(printed(9, seed=3))
    assert np.array_equal(worst(parts.answers(rows))[4:5], worst(parts.answers(rows[4:5])))
    assert np.array_equal(parts.excess(parts.answers(rows))[4:5], parts.excess(parts.answers(rows[4:5])))
    assert worst(parts.answers(rows[:0])).shape == (0, 2)
    assert parts.excess(parts.answers(rows[:0])).shape == (0, P)


def test_a_number_that_never_changes_is_no_trouble() -> None:
    still = printed(20)
    still[..., 2] = 7
    known = fit_places(flat(still), places=P, seed=0)
    assert np.isfinite(worst(known.answers(flat(still)))).all()


def test_subjects_that_are_all_alike_are_as_usual_as_each_other_and_others_odd_within_bounds() -> None:
    same, other = np.tile(printed(1), (12, 1, 1)), printed(3, seed=1)
    good = apart_from_self(with_grid(same), seed=0, layout=LAYOUT)
    known = fit_appearance(with_grid(same), seed=0, layout=LAYOUT).scaled(good)
    excess = known.look(with_grid(same)).excess
    assert excess is not None
    assert excess.max() < 3
    odd = known.look(with_grid(other))
    assert odd.excess is not None
    assert 0 < odd.excess.max() <= 2 * MOST_STEPS
    assert np.isfinite(odd.scores).all()


@pytest.mark.parametrize("count", [8, 24, 100])
def test_what_is_usual_holds_for_new_subjects_however_few_taught(count: int) -> None:
    """What a subject taught knows it: with eight, its own places would seem ten times as usual as those of others."""
    good = with_grid(printed(count))
    known = fit_appearance(good, seed=0, layout=LAYOUT).scaled(apart_from_self(good, seed=0, layout=LAYOUT))
    excess = known.look(with_grid(printed(200, seed=1), seed=1)).excess
    assert excess is not None
    assert np.mean(excess) < 0.5
    assert np.mean(excess > 2) < 0.02


def test_an_excess_needs_to_know_what_is_usual(cloth: Places) -> None:
    with pytest.raises(TrainingError, match="not known yet"):
        cloth.excess(cloth.answers(flat(running_on(1))))


def test_two_subjects_are_enough_to_learn_from() -> None:
    known = fit_places(flat(printed(2)), places=P, seed=0)
    assert np.isfinite(worst(known.answers(flat(printed(5, seed=1))))).all()


def test_an_appearance_joins_both_with_the_look_of_the_whole() -> None:
    good, new, spoiled = printed(200), printed(100, seed=1), printed(100, seed=2)
    spoiled[:, [3, 7]] = spoiled[:, [7, 3]]
    known = fit_appearance(with_grid(good), seed=0, layout=LAYOUT)
    apart = apart_from_self(with_grid(good), seed=0, layout=LAYOUT)
    assert apart.aspects.shape == (200, 3)
    known = known.scaled(apart)
    usual, odd = (known.score(with_grid(x, seed)) for x, seed in ((new, 5), (spoiled, 6)))
    assert odd.min() > np.quantile(usual, 0.95)
    assert np.median(usual) == pytest.approx(np.median(known.joined(apart.aspects)), abs=0.3 * float(np.std(usual)))
    again = Appearance.from_tensors(known.to_tensors())
    assert np.array_equal(again.score(with_grid(new)), known.score(with_grid(new)))
    assert known.usual().shape == with_grid(good)[0].shape
    assert known.width == 12 + P * D
    assert known.look(with_grid(new)[:3]).excess.shape == (3, P)  # type: ignore[union-attr]


def test_an_appearance_without_a_closer_look_has_one_aspect_and_no_scales() -> None:
    x = np.random.default_rng(0).normal(size=(60, 12))
    known, layout = fit_appearance(x, seed=0, layout=Layout(cells=4)), Layout(cells=4)
    apart = apart_from_self(x, seed=0, layout=layout)
    assert apart.aspects.shape == (60, 1)
    assert known.scaled(apart) is known
    assert np.array_equal(known.score(x), known.aspects(x, None)[:, 0])
    assert known.look(x).excess is None
    assert not any(name.startswith(("places", "scales")) for name in known.to_tensors())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda tensors: tensors.pop("spread"), "lacks the tensor 'spread'"),
        (lambda tensors: tensors.update(means=tensors["means"][:, 1:]), "do not fit together"),
        (lambda tensors: tensors.update(means=tensors["means"].ravel()), "do not fit together"),
        (lambda tensors: tensors.update(spread=np.zeros(D)), "do not fit together"),
        (lambda tensors: tensors.update(usual=np.zeros((2, 2))), "do not fit together"),
        (lambda tensors: tensors.update({"mixture.means": tensors["mixture.means"][1:]}), "do not fit together"),
    ],
)
def test_broken_places_are_refused(parts: Places, spoil: Callable[[Tensors], object], message: str) -> None:
    tensors = parts.to_tensors()
    spoil(tensors)
    with pytest.raises(ArtefactError, match=message):
        Places.from_tensors(tensors)


def test_an_appearance_with_places_needs_scales() -> None:
    known = fit_appearance(with_grid(printed(50)), seed=0, layout=LAYOUT)
    tensors = known.scaled(apart_from_self(with_grid(printed(50)), seed=0, layout=LAYOUT)).to_tensors()
    with pytest.raises(ArtefactError, match="do not fit together"):
        Appearance.from_tensors({**tensors, "scales": tensors["scales"][1:]})
    del tensors["scales"]
    with pytest.raises(ArtefactError, match="lacks the tensor 'scales'"):
        Appearance.from_tensors(tensors)

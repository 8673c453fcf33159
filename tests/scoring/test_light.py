"""What good subjects look like in one light is not held against those in another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cafepick.errors import ArtefactError
from cafepick.scoring.appearance import Appearance, fit_appearance, scores_in_their_light
from cafepick.scoring.calibrate import Calibration
from cafepick.scoring.light import AS_IF, COLOURS, LIKE, Light
from cafepick.scoring.metrics import auroc
from cafepick.types import Layout

DAY, EVENING = (90.0, 0.0, 1.0), (78.0, 1.5, 9.0)

D = 4
LIT = Layout(light_last=True)


def seen(count: int, surface: tuple[float, float, float], *, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    """(count, D + COLOURS) descriptors of good subjects in a light that shifts all of them."""
    x = np.random.default_rng(seed).normal(size=(count, D)) + shift
    return np.hstack([x, np.tile(surface, (count, 1))])


@pytest.fixture
def two_lights() -> np.ndarray:
    return np.concatenate([seen(300, DAY), seen(200, EVENING, shift=3, seed=1)])


def test_what_is_usual_in_like_light_is_taken_out(two_lights: np.ndarray) -> None:
    light = Light.of(two_lights)
    even = light.evened(two_lights)
    overall = two_lights[:, :D].mean(axis=0)
    for rows in (slice(0, 300), slice(300, 500)):
        left = np.abs(even[rows].mean(axis=0) - overall)
        before = np.abs(two_lights[rows, :D].mean(axis=0) - overall)
        assert (left < 0.2 * before).all()
        np.testing.assert_allclose(even[rows].std(axis=0), two_lights[rows, :D].std(axis=0))  # nothing but a shift


def test_little_is_taken_out_in_a_light_hardly_seen_and_nothing_in_a_new_one(two_lights: np.ndarray) -> None:
    few = np.concatenate([two_lights[:300], seen(3, EVENING, shift=3)])
    light = Light.of(few)
    other = few[-1:].copy()
    taken = few[-1, :D] - light.evened(other)[0]
    full = few[-3:, :D].mean(axis=0) - few[:, :D].mean(axis=0)
    np.testing.assert_allclose(taken, full * 3 / (3 + AS_IF), rtol=1e-6)
    other[0, D:] = (30.0, 20.0, -20.0)
    np.testing.assert_allclose(light.evened(other), other[:, :D])


def test_a_light_is_known_where_good_subjects_were_seen_in_it(two_lights: np.ndarray) -> None:
    light = Light.of(two_lights)
    assert light.knows(DAY)
    assert light.knows(EVENING)
    assert light.knows(np.array(DAY) + LIKE)
    assert not light.knows((90.0, 3.0, 1.0))
    assert not light.knows((60.0, 0.0, 1.0))


def test_a_light_between_two_lies_between(two_lights: np.ndarray) -> None:
    near = tuple(np.array(DAY) + LIKE)
    x = np.concatenate([seen(300, DAY), seen(300, near, shift=3)])
    light = Light.of(x)
    shifts = [
        (row[:D] - light.evened(row[None])[0]).mean()
        for row in (np.array([*np.zeros(D), *np.array(DAY) + share * np.array(LIKE)]) for share in np.linspace(0, 1, 5))
    ]
    assert shifts == sorted(shifts)
    assert shifts[0] < -0.2
    assert shifts[-1] > 0.2


@given(st.lists(st.integers(0, 299), min_size=1, max_size=20))
def test_a_subject_is_alike_in_any_batch(rows: list[int]) -> None:
    source = np.random.default_rng(0)
    x = np.hstack([source.normal(size=(300, 57)), source.normal((85, 0, 2), (5, 1, 3), size=(300, COLOURS))])
    light = Light.of(x)
    assert len(light.counts) > 50
    np.testing.assert_array_equal(light.evened(x[rows]), light.evened(x)[rows])


def test_defects_are_told_in_each_of_two_lights(two_lights: np.ndarray) -> None:
    """A defect of two deviations hides behind lights that lie three apart, unless the light is known."""
    good = np.concatenate([seen(200, DAY, seed=5), seen(200, EVENING, shift=3, seed=6)])
    bad = np.concatenate([seen(200, DAY, shift=2, seed=7), seen(200, EVENING, shift=1, seed=8)])
    found = {}
    for lit in (True, False):
        rows = slice(None) if lit else slice(0, D)
        known = fit_appearance(two_lights[:, rows], seed=0, layout=Layout(light_last=lit))
        found[lit] = auroc(np.repeat([False, True], 400), known.score(np.concatenate([good, bad])[:, rows]))
    assert found[False] < 0.75
    assert found[True] > 0.9


def test_a_usual_subject_is_usual(two_lights: np.ndarray) -> None:
    known = fit_appearance(two_lights, seed=0, layout=LIT)
    np.testing.assert_allclose(known.standardised(known.usual()[None]), 0, atol=1e-9)


@pytest.mark.parametrize("evening", [False, True])
def test_what_is_odd_is_told_among_good_subjects_in_like_light(two_lights: np.ndarray, evening: bool) -> None:
    known = fit_appearance(two_lights, seed=0, layout=LIT)
    alike = two_lights[300:] if evening else two_lights[:300]
    for column in range(D):
        odd = alike.mean(axis=0)
        odd[column] -= 1.5
        told = known.oddest(odd)
        assert (told.place, told.deviations < 0) == (column, True)
        assert told.below == pytest.approx((alike[:, column] < odd[column]).mean(), abs=0.05)


def test_a_light_seen_later_is_known_and_forgotten_for_the_next(two_lights: np.ndarray) -> None:
    night = (60.0, 3.0, 20.0)
    light = Light.of(two_lights)
    later = light.seen_too(seen(300, night, shift=-2, seed=3))
    assert not light.knows(night)
    assert later.knows(night)
    left = later.evened(seen(300, night, shift=-2, seed=4)).mean(axis=0) - light.usual
    assert (np.abs(left) < 0.5).all()  # of more than three
    np.testing.assert_allclose(later.evened(two_lights), light.evened(two_lights))  # far from that one
    next_one = later.seen_too(seen(300, DAY, shift=1, seed=5))
    assert not next_one.knows(night)
    again = later.seen_too(two_lights[:0])
    np.testing.assert_array_equal(again.surfaces, light.surfaces)
    np.testing.assert_array_equal(again.counts, light.counts)
    np.testing.assert_array_equal(again.shifts, light.shifts)


def test_as_many_subjects_make_a_light_known_in_training_and_later(two_lights: np.ndarray) -> None:
    night = np.array((60.0, 3.0, 20.0))
    ten = seen(10, tuple(night), shift=-2, seed=3)
    trained, later = Light.of(np.concatenate([two_lights, ten])), Light.of(two_lights).seen_too(ten)
    for away in np.linspace(0, 4, 41):
        surface = night + away * np.array(LIKE) * (1, 0, 0)
        assert trained.knows(surface) == later.knows(surface), away
    assert later.is_told
    assert not trained.is_told


def photographed(
    photos: int, beans: int, surface: tuple[float, float, float], *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Descriptors of good subjects in a light that differs a little from photo to photo, and whose photo each is."""
    source = np.random.default_rng(seed)
    wander = source.normal(0, LIKE, (photos, COLOURS))
    shifts = -2 + source.normal(0, 0.7, photos)
    seeds = source.integers(0, 2**31, photos)
    parts = [
        seen(beans, tuple(np.array(surface) + wander[n]), shift=shifts[n], seed=int(seeds[n])) for n in range(photos)
    ]
    return np.concatenate(parts), np.repeat(np.arange(photos), beans)


def test_good_subjects_of_a_new_light_are_scored_as_new_ones_will_be(two_lights: np.ndarray) -> None:
    """Each is scored without its photo: were it not, it would look more usual than those of new photos do."""
    night = (60.0, 3.0, 20.0)
    known = fit_appearance(two_lights, seed=0, layout=LIT)
    new, _ = photographed(60, 10, night, seed=1000)
    rejected: dict[str, list[float]] = {"honest": [], "by siblings": [], "by heart": []}
    for seed in range(40):
        some, photos = photographed(8, 10, night, seed=seed)
        lit, honest = scores_in_their_light(known, some, photos, seed=0)
        beans = np.arange(len(some))  # as if each had a photo of its own
        _, by_siblings = scores_in_their_light(known, some, beans, seed=0)
        for name, scores in (("honest", honest), ("by siblings", by_siblings), ("by heart", lit.score(some))):
            rejected[name].append(float((lit.score(new) > Calibration.fit(scores).threshold(0.1)).mean()))
    assert 0.03 < np.mean(rejected["honest"]) < 0.12  # the others alone show less of the light than all do
    assert np.mean(rejected["by siblings"]) > 0.15, rejected
    assert np.mean(rejected["by heart"]) > 0.15


def test_defects_in_a_new_light_are_told_once_it_is_known(two_lights: np.ndarray) -> None:
    night = (60.0, 3.0, 20.0)
    known = fit_appearance(two_lights, seed=0, layout=LIT)
    some = seen(40, night, shift=-2, seed=3)
    lit, _ = scores_in_their_light(known, some, np.arange(40) // 8, seed=0)
    new, bad = seen(500, night, shift=-2, seed=4), seen(500, night, shift=0, seed=5)  # bad ones look good in daylight
    truth = np.repeat([False, True], 500)
    before, after = (auroc(truth, one.score(np.concatenate([new, bad]))) for one in (known, lit))
    assert before < 0.5
    assert after > 0.9


def test_it_is_the_same_after_a_file(two_lights: np.ndarray) -> None:
    known = fit_appearance(two_lights, seed=0, layout=LIT).in_light_of(seen(20, (60.0, 3.0, 20.0)))
    again = Appearance.from_tensors(known.to_tensors())
    np.testing.assert_array_equal(again.score(two_lights), known.score(two_lights))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"surfaces": None}, "lacks the tensor 'surfaces' of its light"),
        ({"surfaces": np.zeros((2, 2))}, "do not fit together"),
        ({"counts": np.zeros(2)}, "do not fit together"),
        ({"shifts": np.zeros((3, D))}, "do not fit together"),
        ({"shifts": np.zeros((2, D + 1))}, "do not fit together"),
        ({"usual": np.zeros((1, D))}, "do not fit together"),
        ({"trained": np.array(0)}, "do not fit together"),
        ({"trained": np.array(3)}, "do not fit together"),
        ({"trained": np.array(1.5)}, "do not fit together"),
        ({"trained": np.array(np.nan)}, "do not fit together"),
        ({"trained": np.array([1, 1])}, "do not fit together"),
        ({"usual": np.full(D, np.nan)}, "do not fit together"),
        ({"surfaces": np.full((2, COLOURS), np.inf)}, "do not fit together"),
        ({"counts": np.array(2.0)}, "do not fit together"),
        ({"trained": None}, "lacks the tensor 'trained' of its light"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(two_lights: np.ndarray, changed: dict, said: str) -> None:
    tensors = fit_appearance(two_lights, seed=0, layout=LIT).to_tensors()
    assert tensors["light.surfaces"].shape == (2, COLOURS)
    assert tensors["light.usual"].shape == (D,)
    tensors |= {f"light.{name}": values for name, values in changed.items()}
    with pytest.raises(ArtefactError, match=said):
        Appearance.from_tensors({name: values for name, values in tensors.items() if values is not None})

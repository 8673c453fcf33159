"""The appearance part: a density over descriptors of good subjects."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture

from cafepick.errors import ArtefactError, TrainingError
from cafepick.scoring.appearance import Appearance, apart_from_self, fit_appearance, kinds_of
from cafepick.scoring.density import NEIGHBOURS, Densities, Mixture, Remembered


def kinds(count: int, seed: int = 0) -> np.ndarray:
    """Good subjects of two kinds, (count, 3): descriptors that go together, and one that is always the same."""
    random = np.random.default_rng(seed)
    first = random.normal(size=(count, 1))
    side = random.choice([-4.0, 4.0], size=(count, 1))
    return np.hstack([side + first, side - first + 0.2 * random.normal(size=(count, 1)), np.full((count, 1), 7.0)])


@pytest.fixture(scope="module")
def learnt() -> Appearance:
    return fit_appearance(kinds(1200), seed=0)


def test_what_lies_between_the_kinds_is_unusual(learnt: Appearance) -> None:
    good, between = kinds(200, seed=1), kinds(200, seed=1)
    between[:, :2] *= 0.2
    scores = learnt.score(np.concatenate([good, between]))
    assert roc_auc_score(np.repeat([0, 1], 200), scores) > 0.97


def test_a_descriptor_that_never_changed_says_nothing(learnt: Appearance) -> None:
    good = kinds(5, seed=2)
    other = good.copy()
    other[:, 2] = 100
    assert np.array_equal(learnt.score(good), learnt.score(other))


def test_a_score_depends_on_its_own_subject_alone(learnt: Appearance) -> None:
    good = kinds(50, seed=3)
    together = learnt.score(good)
    assert np.array_equal(together[::-1], learnt.score(good[::-1]))
    assert np.array_equal(together, np.concatenate([learnt.score(good[i : i + 1]) for i in range(50)]))


def test_the_density_is_that_of_scikit_learn() -> None:
    x = np.random.default_rng(0).normal(size=(300, 4))
    fitted = GaussianMixture(3, random_state=0).fit(x)
    ours = Mixture(np.log(fitted.weights_), fitted.means_, fitted.precisions_cholesky_)
    assert [Densities.of([ours]).mean_log(row) for row in x] == pytest.approx(
        fitted.score_samples(x).tolist(), rel=1e-9
    )


@pytest.mark.parametrize("count", [1, 4, 5, 79, 80, 700])
@pytest.mark.parametrize("spread", [0.0, 1e-3, 1.0, 10.0])
def test_the_nearest_are_those_that_all_distances_name(count: int, spread: float) -> None:
    random = np.random.default_rng(count)
    good = (3 + spread * random.normal(size=(count, 57))).astype(np.float32)
    x = np.concatenate([3 + spread * random.normal(size=(300, 57)), good[:3], np.full((1, 57), -10.0)])
    everyone = np.linalg.norm(good[None] - x.astype(np.float32)[:, None], axis=2)
    expected = np.sort(everyone, axis=1)[:, :NEIGHBOURS].mean(axis=1)
    assert Remembered(good).distances(x) == pytest.approx(expected, rel=1e-6, abs=1e-7)


def test_good_subjects_without_themselves_score_as_new_ones(learnt: Appearance) -> None:
    new = learnt.score(kinds(1200, seed=4))
    assert roc_auc_score(
        np.repeat([0, 1], 1200), np.r_[apart_from_self(kinds(1200), seed=0).aspects[:, 0], new]
    ) == pytest.approx(0.5, abs=0.03)


def test_the_rank_of_what_is_oddest_is_a_share_of_good_subjects(learnt: Appearance) -> None:
    low, high = (learnt.oddest(np.array(x)) for x in ([-99.0, 0.0, 7.0], [0.0, 99.0, 7.0]))
    assert (low.place, low.below, high.place, high.below) == (0, 0, 1, 1)
    assert low.deviations < 0 < high.deviations
    assert np.mean([learnt.oddest(row).below for row in kinds(500, seed=5)]) == pytest.approx(0.5, abs=0.05)


def test_ties_count_half_in_a_rank() -> None:
    good = np.repeat([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0], [3.0, 1.0]], 50, axis=0)
    odd = fit_appearance(good, seed=0).oddest(np.array([3.0, 1.0]))
    assert (odd.place, odd.below) == (0, pytest.approx(0.875, abs=0.01))
    assert odd.deviations == pytest.approx(1.5 / good[:, 0].std())


def test_tensors_give_the_same_scores_back(learnt: Appearance) -> None:
    good = kinds(20, seed=6)
    again = Appearance.from_tensors(learnt.to_tensors())
    assert np.array_equal(again.score(good), learnt.score(good))


def test_few_subjects_are_told_into_few_kinds() -> None:
    assert kinds_of(50) == (1,)
    assert kinds_of(3000) == (7, 10, 13)
    assert np.isfinite(fit_appearance(kinds(2), seed=0).score(kinds(3))).all()


def test_too_few_or_broken_descriptors_are_refused() -> None:
    with pytest.raises(TrainingError, match="at least 2"):
        fit_appearance(kinds(1), seed=0)
    with pytest.raises(TrainingError, match="finite"):
        fit_appearance(np.full((5, 2), np.nan), seed=0)
    with pytest.raises(TrainingError, match="at least 4 of them to learn from, got 3"):
        apart_from_self(kinds(3), seed=0)
    assert np.isfinite(apart_from_self(kinds(4), seed=0).aspects).all()


@pytest.mark.parametrize("name", ["mean", "mixture0.means", "remembered"])
def test_tensors_that_do_not_fit_are_refused(learnt: Appearance, name: str) -> None:
    tensors = learnt.to_tensors()
    with pytest.raises(ArtefactError, match="do not fit together"):
        Appearance.from_tensors({**tensors, name: tensors[name][..., :1]})
    del tensors[name]
    with pytest.raises(ArtefactError, match="train anew"):
        Appearance.from_tensors(tensors)

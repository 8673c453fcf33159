"""Intervals are wide where little is known: few photos, few subjects, nothing but zeros."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cafepick.scoring import metrics
from cafepick.scoring.bootstrap import Resampling, weighted_auroc, weighted_average_precision, wilson


@st.composite
def weighted(draw):
    """Labels of both classes, scores with ties, and how often each subject counts; both classes do."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(2, 40))
    truth = rng.random(n) < 0.5
    truth[:2] = True, False
    weights = rng.integers(0, 4, n)
    weights[:2] += 1
    return truth, rng.integers(0, draw(st.integers(1, 50)), n).astype(float), weights


@given(weighted())
def test_weighted_metrics_equal_those_of_repeated_subjects(case):
    truth, scores, weights = case
    again = np.repeat(truth, weights), np.repeat(scores, weights)
    weights = weights.astype(float)
    assert weighted_auroc(truth, scores)(weights) == pytest.approx(metrics.auroc(*again))
    assert weighted_average_precision(truth, scores)(weights) == pytest.approx(metrics.average_precision(*again))


@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 5))
def test_beans_of_one_photo_are_drawn_together(seed, photos, beans):
    of_photo = np.repeat(np.arange(photos), beans)
    defective = np.zeros(photos * beans, bool)
    counts = Resampling.by_photo(of_photo, defective, rounds=20, seed=seed).counts
    assert np.array_equal(counts.sum(axis=1), np.full(20, photos * beans))
    if photos > 1:
        assert all(len(np.unique(counts[:, of_photo == photo], axis=1).T) == 1 for photo in range(photos))


@given(st.integers(0, 2**32), st.integers(0, 6), st.integers(0, 6), st.integers(0, 6))
def test_no_draw_loses_a_class(seed, good, bad, mixed):
    kinds = [[False] * 3] * good + [[True] * 2] * bad + [[False, True, True]] * mixed
    defective = np.array([flag for kind in kinds for flag in kind], bool)
    photos = np.repeat(np.arange(len(kinds)), [len(kind) for kind in kinds])
    counts = Resampling.by_photo(photos, defective, rounds=20, seed=seed).counts
    for part in (defective, ~defective):
        assert not part.any() or counts[:, part].sum(axis=1).all()


def test_few_photos_give_a_wider_interval_than_as_many_single_beans():
    rng = np.random.default_rng(0)
    light = np.repeat(rng.normal(size=10), 30)  # beans of a photo share their light
    truth = np.repeat([False, True], 150)
    scores = light + truth + 0.3 * rng.normal(size=300)
    metric = weighted_auroc(truth, scores)
    photos = Resampling.by_photo(np.repeat(np.arange(10), 30), truth).interval(metric)
    beans = Resampling.by_photo(np.arange(300), truth).interval(metric)
    assert photos.high - photos.low > 2 * (beans.high - beans.low)
    assert photos.value == beans.value == pytest.approx(metrics.auroc(truth, scores))


def test_a_class_in_one_photo_is_told():
    truth = np.array([False] * 4 + [True] * 4)
    assert Resampling.by_photo(np.repeat([0, 1, 2], [2, 2, 4]), truth).lone
    assert not Resampling.by_photo(np.repeat([0, 1, 2, 3], 2), truth).lone
    assert not Resampling.by_photo(np.arange(8), truth).lone


def test_subjects_of_a_lone_photo_are_drawn_one_by_one():
    truth = np.repeat([False, True], 50)
    scores = np.random.default_rng(0).normal(size=100) + truth
    drawn = Resampling.by_photo(np.repeat([0, 1], 50), truth).interval(weighted_auroc(truth, scores))
    assert drawn.low < drawn.value < drawn.high


@pytest.mark.parametrize("count", [0, 50])
def test_nothing_rejected_in_fifty_is_no_proof_of_never(count):
    drawn = Resampling.by_photo(np.arange(50), np.zeros(50, bool)).share(np.arange(50) < count)
    assert drawn.value == count / 50
    assert drawn.high - drawn.low == pytest.approx(0.0713, abs=1e-4)  # 3.8415 / (50 + 3.8415)


@pytest.mark.parametrize(("count", "total", "low", "high"), [(1, 10, 0.0179, 0.4042), (15, 148, 0.0624, 0.1605)])
def test_wilson_equals_published_values(count, total, low, high):
    """Newcombe, Statistics in Medicine 17 (1998), table I, method 3, for 15/148."""
    assert wilson(count, total) == pytest.approx((low, high), abs=5e-5)


def test_equal_seeds_give_equal_intervals():
    truth = np.arange(60) % 3 == 0
    scores = np.random.default_rng(3).normal(size=60)
    one, other = (Resampling.by_photo(np.arange(60), truth).interval(weighted_auroc(truth, scores)) for _ in range(2))
    assert one == other


def interval_of_normals(n, *, seed):
    """The interval of the AUROC of two normals one standard deviation apart, each subject in a photo of its own."""
    truth = np.arange(n) % 2 == 0
    scores = np.random.default_rng(seed).normal(size=n) + truth
    return Resampling.by_photo(np.arange(n), truth, rounds=100).interval(weighted_auroc(truth, scores))


def test_single_subjects_agree_with_a_bootstrap_from_the_definition():
    rng = np.random.default_rng(5)
    truth = rng.random(200) < 0.4
    scores = rng.normal(size=200) + truth
    ours = Resampling.by_photo(np.arange(200), truth).interval(weighted_auroc(truth, scores))
    drawn = []
    for _ in range(1000):
        again = np.concatenate([rng.choice(np.flatnonzero(part), part.sum()) for part in (truth, ~truth)])
        drawn.append(metrics.auroc(truth[again], scores[again]))
    assert (ours.low, ours.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.01)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    truth = 0.7602  # Phi(1 / sqrt 2)
    intervals = [interval_of_normals(100, seed=seed) for seed in range(100)]
    assert np.mean([one.low <= truth <= one.high for one in intervals]) > 0.86


def test_more_subjects_narrow_the_interval():
    widths = [one.high - one.low for one in (interval_of_normals(n, seed=0) for n in (2000, 200, 20))]
    assert widths == sorted(widths)

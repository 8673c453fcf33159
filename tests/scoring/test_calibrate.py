"""Calibration keeps its promise: on average for any scores, and within the bound for a single calibration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cafepick.errors import CalibrationError, ConfigError
from cafepick.scoring.calibrate import Calibration, binomial_tail, needed

numbers = st.floats(-1e6, 1e6)
tied = st.integers(0, 5).map(float)
good_scores = st.lists(numbers, min_size=1, max_size=200) | st.lists(tied, min_size=1, max_size=200)
rates = st.floats(0.001, 0.999) | st.sampled_from([0.01, 0.02, 0.05, 0.07, 0.1, 0.29, 0.3, 0.57, 0.58])


# --- p-values and threshold ---


@given(good_scores, st.lists(numbers | tied, max_size=20))
def test_a_p_value_counts_good_subjects_that_score_as_high(good, scores):
    expected = [(1 + sum(g >= s for g in good)) / (len(good) + 1) for s in scores]
    assert Calibration.fit(good).p_values(scores).tolist() == expected


@given(good_scores, rates, st.lists(numbers | tied, max_size=20))
def test_threshold_and_p_value_never_disagree(good, rate, scores):
    calibration = Calibration.fit(good)
    if len(good) < needed(rate):
        return
    scores = np.array([*scores, *good, *np.nextafter(good, np.inf), *np.nextafter(good, -np.inf)])
    assert ((scores > calibration.threshold(rate)) == (calibration.p_values(scores) <= rate)).all()


@pytest.mark.parametrize("count", [99, 100, 199, 349, 999])
def test_threshold_and_p_value_agree_at_every_round_percentage(count):
    """Where rounding of rate * (n + 1) would go wrong: 0.29 * 100 is 28.999..."""
    calibration = Calibration.fit(np.arange(count))
    scores = np.arange(-1, count + 1)
    for percent in range(1, 100):
        rate = percent / 100
        rejected = scores > calibration.threshold(rate)
        assert (rejected == (calibration.p_values(scores) <= rate)).all()
        assert rejected.sum() == percent * (count + 1) // 100  # k - 1 good ones and the one above all


@given(good_scores)
def test_the_threshold_grows_as_the_rate_shrinks(good):
    calibration = Calibration.fit(good)
    possible = np.linspace(1 / (len(good) + 1) + 1e-9, 0.999, 50)
    thresholds = [calibration.threshold(rate) for rate in possible if len(good) >= needed(rate)]
    assert thresholds == sorted(thresholds, reverse=True)


@given(good_scores, st.permutations(range(10)))
def test_the_order_of_the_good_subjects_does_not_matter(good, order):
    shuffled = [good[i] for i in order if i < len(good)] + good[10:]
    assert Calibration.fit(shuffled).scores.tolist() == sorted(good)


def test_single_precision_scores_keep_their_verdict():
    good = np.random.default_rng(0).normal(size=500).astype(np.float32)
    calibration = Calibration.fit(good)
    assert ((good > calibration.threshold(0.1)) == (calibration.p_values(good) <= 0.1)).all()


def test_p_values_keep_the_shape_of_the_scores():
    assert Calibration.fit([1, 2, 3]).p_values([[0, 4], [2, 2.5]]).tolist() == [[1, 0.25], [0.75, 0.5]]


# --- the promise ---


@settings(max_examples=12)
@given(st.sampled_from(["normal", "heavy", "tied", "constant", "duplicates"]), st.sampled_from([0.01, 0.05, 0.1, 0.25]))
def test_the_false_reject_rate_is_kept_on_average(kind, rate):
    """4,000 calibrations on drawn samples, one new good subject each; 4 standard errors of room."""
    rng = np.random.default_rng(0)
    n = needed(rate) + 7
    draw = {
        "normal": lambda size: rng.normal(size=size),
        "heavy": rng.standard_cauchy,
        "tied": lambda size: rng.integers(0, 4, size).astype(float),
        "constant": np.ones,
        "duplicates": lambda size: np.round(rng.normal(size=size), 1),
    }[kind]
    rounds = 4000
    rejected = sum(Calibration.fit(sample[1:]).p_values(sample[0]) <= rate for sample in draw((rounds, n + 1)))
    assert rejected / rounds <= rate + 4 * np.sqrt(rate / rounds)
    if kind in ("normal", "heavy"):  # without ties nothing is given away beyond the rounding of the rank
        exact = np.floor(rate * (n + 1) + 1e-9) / (n + 1)
        assert rejected / rounds >= exact - 4 * np.sqrt(rate / rounds)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("n", "rate"), [(99, 0.01), (200, 0.05), (57, 0.1)])
def test_the_bound_holds_for_at_least_95_of_100_calibrations(n, rate, ties):
    rng = np.random.default_rng(1)
    realised = []
    for scores in rng.random((2000, n)):  # a uniform score s is exceeded with chance 1 - s
        threshold = Calibration.fit(np.ceil(scores * 20) / 20 if ties else scores).threshold(rate)
        realised.append(1 - threshold)
    bound = Calibration.fit(rng.random(n)).upper_bound(rate)
    held = np.mean(np.array(realised) <= bound)
    assert held >= 0.95 - 4 * np.sqrt(0.05 * 0.95 / 2000)
    if not ties:
        assert held <= 0.95 + 4 * np.sqrt(0.05 * 0.95 / 2000)  # and the bound is no larger than it need be


# --- the bound ---


@pytest.mark.parametrize(("n", "bound"), [(99, 0.0298), (200, 0.0235), (500, 0.0182), (1000, 0.0157)])
def test_the_bounds_at_one_per_cent(n, bound):
    assert Calibration.fit(np.arange(n)).upper_bound(0.01) == pytest.approx(bound, abs=5e-5)


@given(st.integers(1, 3000), rates, st.sampled_from([0.05, 0.5, 0.9, 0.95, 0.99, 0.999]))
def test_the_bound_is_the_quantile_of_the_beta_distribution(n, rate, confidence):
    calibration = Calibration.fit(np.arange(n))
    if n < needed(rate):
        return
    k = np.sum(np.arange(1, n + 1) / (n + 1) <= rate)
    expected = stats.beta.ppf(confidence, k, n + 1 - k)
    assert calibration.upper_bound(rate, confidence) == pytest.approx(expected, rel=1e-8)


def test_the_bound_of_very_many_subjects():
    expected = stats.beta.ppf(0.95, 50_000, 50_001)
    assert Calibration.fit(np.arange(100_000)).upper_bound(0.5) == pytest.approx(expected, rel=1e-8)


# --- too few, not finite, out of range ---


@given(rates)
def test_needed_is_the_smallest_number_that_can_reject_anything(rate):
    n = needed(rate)
    assert n >= 1
    assert 1 / (n + 1) <= rate
    assert n == 1 or 1 / n > rate


@pytest.mark.parametrize(
    ("rate", "n"), [(0.5, 1), (0.1, 9), (0.05, 19), (0.02, 49), (0.01, 99), (0.001, 999), (5e-324, 2**53)]
)
def test_needed_for_common_rates(rate, n):
    assert needed(rate) == n


@pytest.mark.parametrize("ask", [Calibration.threshold, Calibration.upper_bound])
def test_too_few_good_subjects(ask):
    words = r"a false-reject rate of 1\.00 % needs at least 99 good subjects, got 98: add good photos, or raise "
    words += r"--false-reject to 0\.0102 or more"
    with pytest.raises(CalibrationError, match=words):
        ask(Calibration.fit(np.arange(98)), 0.01)
    assert ask(Calibration.fit(np.arange(98)), 0.0102) > 0
    assert ask(Calibration.fit(np.arange(99)), 0.01) > 0


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.5, float("nan")])
def test_a_rate_outside_0_to_1(rate):
    calibration = Calibration.fit(np.arange(99))
    for ask in (calibration.threshold, calibration.upper_bound, needed):
        with pytest.raises(ConfigError, match=r"--false-reject must lie between 0 and 1, both excluded, got"):
            ask(rate)
    with pytest.raises(ConfigError, match=r"got 5: 5 % is 0\.05$"):
        calibration.threshold(5)
    with pytest.raises(ConfigError, match="the confidence must lie between 0 and 1"):
        calibration.upper_bound(0.1, rate)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers(bad):
    with pytest.raises(CalibrationError, match="got NaN or infinity for 1 of 3 good subjects"):
        Calibration.fit([1, bad, 2])
    with pytest.raises(CalibrationError, match="got NaN or infinity for 2 of 2 new subjects"):
        Calibration.fit([1, 2]).p_values([bad, bad])


def test_no_good_subject_at_all():
    with pytest.raises(CalibrationError, match="needs scores of good subjects, got none"):
        Calibration.fit([])


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.001, 0.999))
def test_the_binomial_tail_is_that_of_scipy(counts, chance):
    successes, count = counts
    assert binomial_tail(successes, count, chance) == pytest.approx(
        stats.binom.sf(successes - 1, count, chance), abs=1e-9
    )

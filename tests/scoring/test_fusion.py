"""Parts on one scale, joined; and the words for what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cafepick.beans.describe import NAMES
from cafepick.errors import ArtefactError, TrainingError
from cafepick.scoring.appearance import fit_appearance
from cafepick.scoring.calibrate import Calibration
from cafepick.scoring.fusion import Fusion, Surprise
from cafepick.scoring.reasons import COMPARATIVES, area_of, comparative_of, in_words, reason_of
from cafepick.types import Reason

good_scores = arrays.arrays(np.float64, st.integers(2, 80), elements=st.floats(-1e6, 1e6))


@given(good_scores, arrays.arrays(np.float64, 20, elements=st.floats(-1e7, 1e7)))
def test_surprise_never_falls_as_the_score_grows(good: np.ndarray, new: np.ndarray) -> None:
    surprise = Surprise.fit(good).of(np.sort(new))
    assert np.isfinite(surprise).all()
    assert (np.diff(surprise) >= -1e-9).all()
    assert surprise.min() >= 0


def test_surprise_of_exponential_scores_is_the_score() -> None:
    good = np.random.default_rng(0).exponential(size=20_000)
    assert Surprise.fit(good).of(np.array([0.5, 1.0, 2.0])) == pytest.approx([0.5, 1.0, 2.0], abs=0.05)
    assert Surprise.fit(good).of(np.array([6.0, 12.0])) == pytest.approx([6.0, 12.0], rel=0.1)


def test_a_tail_of_few_scores_does_not_rest_on_a_handful() -> None:
    random = np.random.default_rng(3)
    told = [Surprise.fit(random.exponential(size=168)).of(np.array([12.0]))[0] / 12 for _ in range(300)]
    assert np.std(told) < 0.25  # by the highest 8 alone, a twentieth of them, it is 0.51


def test_what_no_good_subject_reached_still_grows() -> None:
    good = np.arange(100.0)
    assert (np.diff(Surprise.fit(good).of(np.array([99.0, 100.0, 200.0, 1000.0]))) > 0).all()


@pytest.mark.parametrize("count", [2, 34, 40, 1000])
def test_good_subjects_that_all_score_alike_are_no_surprise_and_worse_ones_are(count: int) -> None:
    same = Surprise.fit(np.full(count, 3.0)).of(np.array([2.9, 3.0, 3.0 + 1e-6, 3.1, 4.0]))
    assert same[:2].tolist() == [0, 0]
    assert 0 < same[2] < 0.001, "the last digit of another runtime"
    assert same[3] > 10
    assert same[4] > same[3]


def test_the_lowest_of_many_that_tie_are_as_likely_as_all_of_them() -> None:
    good = np.concatenate([np.zeros(600), np.linspace(1, 2, 400)])
    zero, less_than_one = Surprise.fit(good).of(np.array([0.0, 0.999]))
    assert zero == 0
    assert less_than_one == pytest.approx(-np.log(0.4), abs=0.1)


def test_fused_scores_are_weighted_sums() -> None:
    random = np.random.default_rng(1)
    good = {"reconstruction": random.normal(size=500), "appearance": random.gamma(2, size=500)}
    fusion = Fusion.fit(good, {"reconstruction": 0.2, "appearance": 1.0, "comparison": 0.5})
    new = {"reconstruction": np.array([0.0, 2.0]), "appearance": np.array([1.0, 1.0])}
    expected = sum(weight * Surprise.fit(good[part]).of(new[part]) for part, weight in fusion.weights.items())
    assert fusion.weights == {"reconstruction": 0.2, "appearance": 1.0}
    assert fusion.score(new) == pytest.approx(expected)
    assert Fusion.from_tensors(fusion.weights, fusion.to_tensors()).score(new) == pytest.approx(expected)


def test_the_order_of_the_parts_changes_no_bit() -> None:
    random = np.random.default_rng(2)
    good = {name: random.normal(size=300) for name in ("reconstruction", "comparison", "appearance")}
    new = {name: random.normal(size=500) for name in good}
    weights = {"reconstruction": 0.2, "comparison": 0.7, "appearance": 1.0}
    one, other = (Fusion.fit(good, dict(sorted(weights.items(), reverse=way))) for way in (False, True))
    np.testing.assert_array_equal(one.score(new), other.score(new))


def test_scales_from_the_subjects_that_set_the_threshold_keep_the_promise() -> None:
    random = np.random.default_rng(4)
    weights = {"comparison": 0.5, "appearance": 1.0}
    rate, calibrations = 0.01, 400

    def draw(count: int) -> dict[str, np.ndarray]:
        common = random.normal(size=count)
        return {part: np.exp(0.35 * common + 0.6 * random.normal(size=count)) for part in weights}

    realised = {"without self": 0.0, "with self": 0.0}
    for _ in range(calibrations):
        learnt, kept, new = draw(400), draw(99), draw(1000)
        fusion, scores = Fusion.fit(learnt, weights).fitted_without_self(kept, keep={"appearance"})
        for how, given_ in (("without self", scores), ("with self", fusion.score(kept))):
            threshold = Calibration.fit(given_).threshold(rate)
            realised[how] += float((fusion.score(new) > threshold).mean()) / calibrations
    assert realised["without self"] < 1.02 * rate
    assert realised["with self"] > 1.05 * rate  # why it is done


def test_scales_learnt_anew_leave_those_that_stay() -> None:
    random = np.random.default_rng(5)
    weights = {"comparison": 0.5, "appearance": 1.0}
    before, good = ({part: random.gamma(2, size=200) for part in weights} for _ in range(2))
    fusion, scores = Fusion.fit(before, weights).fitted_without_self(good, keep={"appearance"})
    expected = {"comparison": np.sort(good["comparison"]), "appearance": np.sort(before["appearance"])}
    for part, scale in fusion.scales.items():
        np.testing.assert_array_equal(scale.good, expected[part])
    assert np.corrcoef(scores, fusion.score(good))[0, 1] > 0.98


@pytest.mark.parametrize("count", [3, 4, 7])
def test_a_handful_of_subjects_gives_scales(count: int) -> None:
    random = np.random.default_rng(6)
    weights = {"comparison": 0.5, "appearance": 1.0}
    good = {part: random.gamma(2, size=count) for part in weights}
    fusion, scores = Fusion.fit(good, weights).fitted_without_self(good)
    assert np.isfinite(scores).all()
    assert fusion.score({part: values + 100 for part, values in good.items()}).min() > scores.max()


def test_unusable_scales_are_refused() -> None:
    with pytest.raises(TrainingError, match="2 good subjects"):
        Surprise.fit(np.array([1.0]))
    with pytest.raises(ArtefactError, match="'appearance'"):
        Fusion.from_tensors({"appearance": 1.0}, {})


def test_every_descriptor_has_its_words() -> None:
    for name in NAMES:
        assert name.startswith(comparative_of(name))
    assert comparative_of("lightness_with_redness") == "lightness_with"
    assert all(len(words) == 2 for words in COMPARATIVES.values())


def test_the_reason_names_what_stands_out_most() -> None:
    good = np.random.default_rng(2).normal(size=(400, len(NAMES)))
    learnt = fit_appearance(good, seed=0)
    area = Reason("area", share=0.14)
    small = np.zeros(len(NAMES))
    small[NAMES.index("size")] = -5
    told = reason_of({"reconstruction": 0.2, "appearance": 0.01}, NAMES, small, learnt, lambda: area)
    assert in_words(told) == "smaller than all good ones"
    small[NAMES.index("size")] = -2.6
    told = reason_of({"reconstruction": 0.2, "appearance": 0.01}, NAMES, small, learnt, lambda: area)
    assert (told.key, told.high) == ("size", False)
    assert 0.97 < told.share < 1
    told = reason_of({"reconstruction": 0.2, "appearance": 0.01}, NAMES, small * 0.5, learnt, lambda: area)
    assert in_words(told) == "unusual combination of size, shape and colour"
    assert reason_of({"reconstruction": 0.001, "appearance": 0.2}, NAMES, small, learnt, lambda: area) is area


def test_the_share_told_is_that_of_what_stands_out() -> None:
    good = np.random.default_rng(2).normal(size=(400, len(NAMES)))
    learnt = fit_appearance(good, seed=0)
    x = np.zeros(len(NAMES))
    x[NAMES.index("solidity")] = -2.7
    told = reason_of({"appearance": 0.01}, NAMES, x, learnt, lambda: Reason("combination"))
    expected = (good[:, NAMES.index("solidity")] > -2.7).mean()
    assert (told.key, told.high, told.share) == ("solidity", False, pytest.approx(expected, abs=0.01))


def test_an_area_is_told_by_its_share_and_lightness() -> None:
    image, closest = np.full((10, 10, 3), 100, np.uint8), np.full((10, 10, 3), 100, np.uint8)
    image[:2] = 30
    where = np.zeros((10, 10), bool)
    where[:2] = True
    told = area_of(image, closest, where, np.ones((10, 10), bool))
    assert in_words(told) == "dark area, 20 % of it, unlike good ones"
    assert in_words(area_of(closest, image, where, np.ones((10, 10), bool))).startswith("pale area")

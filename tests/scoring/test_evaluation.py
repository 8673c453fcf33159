"""Each number of ``metrics.json`` is what it says, or None with a reason."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cafepick.errors import InputError
from cafepick.scoring import metrics
from cafepick.scoring.evaluation import (
    CURVE_POINTS,
    RANKING,
    Found,
    Judged,
    PixelTruth,
    Promise,
    evaluate_finding,
    evaluate_pixels,
    evaluate_subjects,
)
from cafepick.scoring.omissions import Omission

CHOSEN = Promise(0.1, 0.2, 1.0)


def judged(labels: list[str], scores: np.ndarray, photos: np.ndarray | None = None) -> Judged:
    values = np.asarray(scores, float)
    return Judged(
        labels=np.array(labels, np.str_),
        defective=np.array([label != "good" for label in labels], bool),
        photos=np.arange(len(labels)) if photos is None else photos,
        score=values,
        residual=2 * values,
        discrimination=-values,
    )


def some(good: int, black: int, sour: int, seed: int = 0) -> Judged:
    rng = np.random.default_rng(seed)
    labels = ["good"] * good + ["black"] * black + ["sour"] * sour
    return judged(labels, rng.normal(size=len(labels)) + np.repeat([0.0, 3.0, 0.5], [good, black, sour]))


def test_numbers_are_those_of_the_metrics():
    case = some(80, 20, 30)
    numbers = evaluate_subjects(case, CHOSEN, [CHOSEN]).numbers
    assert numbers["auroc"]["value"] == pytest.approx(metrics.auroc(case.defective, case.score))
    assert numbers["average_precision"]["value"] == pytest.approx(metrics.average_precision(case.defective, case.score))
    assert numbers["f1_max"]["value"] == metrics.f1_max(case.defective, case.score).f1
    assert numbers["parts"]["residual"] == metrics.auroc(case.defective, case.score)
    assert numbers["parts"]["discrimination"] == pytest.approx(1 - numbers["parts"]["residual"])
    assert numbers["false_reject"]["realised"]["value"] == np.mean(case.score[:80] > 1)
    assert numbers["miss_rate"]["value"] == np.mean(case.score[80:] <= 1)
    assert numbers["promise"][0]["realised"] == numbers["false_reject"]["realised"]
    assert numbers["promise"][0]["missed"] == numbers["miss_rate"]


def test_each_class_is_compared_with_all_good_subjects():
    case = some(80, 20, 30)
    classes = evaluate_subjects(case, CHOSEN, []).numbers["classes"]
    assert list(classes) == ["black", "sour"]
    assert (classes["black"]["subjects"], classes["sour"]["photos"]) == (20, 30)
    without_sour = case.only(case.labels != "sour")
    expected = metrics.auroc(without_sour.defective, without_sour.score)
    assert classes["black"]["auroc"]["value"] == pytest.approx(expected)
    assert classes["black"]["missed"]["value"] < classes["sour"]["missed"]["value"]


@settings(max_examples=15)
@given(st.integers(2, 30), st.integers(1, 30), st.integers(0, 10), st.integers(0, 2**32))
def test_every_value_lies_in_its_interval_and_all_is_plain_json(good, black, sour, seed):
    numbers = evaluate_subjects(some(good, black, sour, seed), CHOSEN, [CHOSEN]).numbers
    json.dumps(numbers, allow_nan=False)
    rates = [numbers["false_reject"]["realised"], numbers["miss_rate"], numbers["auroc"]]
    for interval in rates:
        assert 0 <= interval["low"] <= interval["value"] <= interval["high"] <= 1


@pytest.mark.parametrize(("label", "absent", "rate"), [("good", "defective", "miss_rate"), ("black", "good", "auroc")])
def test_one_class_only_gives_rates_and_reasons(label, absent, rate):
    findings = evaluate_subjects(judged([label] * 10, np.arange(10)), CHOSEN, [CHOSEN])
    assert all(findings.numbers[name] is None for name in (*RANKING, rate))
    said = {f"{one.about}: {one.text}" for one in findings.omitted}
    assert {f"{name}: there is no {absent} subject" for name in RANKING} <= said
    if label == "good":
        assert findings.numbers["false_reject"]["realised"]["value"] == 0.8
        assert findings.numbers["classes"] == {}
    else:
        assert findings.numbers["false_reject"]["realised"] is None
        assert findings.numbers["miss_rate"]["value"] == 0.2
        assert findings.numbers["classes"]["black"]["auroc"] is None


def test_equal_scores_all_round_are_chance():
    numbers = evaluate_subjects(judged(["good"] * 5 + ["black"] * 5, np.ones(10)), CHOSEN, []).numbers
    assert numbers["auroc"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert numbers["miss_rate"]["value"] == 1  # a score at the threshold is OK, as in detect


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_score_that_is_no_number_is_refused(wrong):
    with pytest.raises(InputError, match=r"each score must be a finite number.*1 of 3 subjects"):
        judged(["good", "good", "black"], np.array([0, wrong, 1]))


@pytest.mark.parametrize(("size", "seed"), [(2, 0), (99, 1), (101, 2), (1000, 3)])
def test_curves_keep_their_ends_and_their_area(size, seed):
    case = some(size, size, 0, seed)
    numbers = evaluate_subjects(case, CHOSEN, []).numbers
    x, y = numbers["roc"]["false_reject"], numbers["roc"]["found"]
    assert len(x) == len(y) <= CURVE_POINTS
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    area = np.sum(np.diff(x) * (np.array(y[1:]) + y[:-1]) / 2)
    assert area == pytest.approx(numbers["auroc"]["value"], abs=0.01)
    assert len(numbers["precision_recall"]["recall"]) <= CURVE_POINTS
    assert numbers["precision_recall"]["recall"][-1] == 1


def test_a_class_in_one_photo_is_said_to_be():
    case = judged(["good"] * 4 + ["black"] * 4, np.arange(8), photos=np.repeat([0, 1, 2], [2, 2, 4]))
    assert evaluate_subjects(case, CHOSEN, []).omitted == (Omission("intervals", "lone_photo"),)


def pixels(mask: np.ndarray, anomaly: np.ndarray) -> PixelTruth:
    return PixelTruth(mask, anomaly.astype(np.float32), anomaly > 0.5)


def test_a_map_that_is_the_mask_is_perfect():
    mask = np.zeros((20, 30), bool)
    mask[3:7, 4:9] = True
    findings = evaluate_pixels(
        [pixels(mask, mask)._replace(block=3), pixels(np.zeros((10, 10), bool), np.zeros((10, 10)))]
    )
    perfect = {"auroc": 1.0, "average_precision": 1.0, "aupro": pytest.approx(1.0), "iou": 1.0}
    assert findings.numbers["pixel"] == perfect | {"images": 2, "block": 3}
    assert findings.omitted == ()


def test_overlap_of_segmentations_is_pooled_over_photos():
    small, large = np.zeros((10, 10), bool), np.zeros((10, 10), bool)
    small[0, 0], large[:5] = True, True
    numbers = evaluate_pixels([pixels(small, ~small), pixels(large, large)]).numbers
    assert numbers["pixel"]["iou"] == 50 / 150


@pytest.mark.parametrize(("mask", "kind"), [(np.zeros((4, 4), bool), "no"), (np.ones((4, 4), bool), "every")])
def test_masks_of_one_kind_say_nothing(mask, kind):
    findings = evaluate_pixels([pixels(mask, mask)])
    assert findings.numbers == {"pixel": None}
    assert [one.text for one in findings.omitted] == [f"the masks of 1 photos mark {kind} pixel as defect"]


def test_finding_counts_pairs_over_all_photos():
    findings = evaluate_finding([Found(4, 3, (0.9, 0.8, 0.6), ("insect",)), Found(1, 3, (0.7,), ())])
    assert findings.numbers["finding"] == {
        "recall": 4 / 5,
        "precision": 4 / 6,
        "median_iou": pytest.approx(0.75),
        "annotated": 5,
        "found": 6,
        "not_found": {"insect": 1},
    }


def test_finding_nothing_is_no_division_by_zero():
    findings = evaluate_finding([Found(0, 0, (), ())])
    assert findings.numbers["finding"]["recall"] is None
    assert len(findings.omitted) == 3

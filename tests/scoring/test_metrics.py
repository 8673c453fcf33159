"""Metrics equal their references, on random and on tied input, and refuse what has no answer."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from sklearn import metrics as reference

from cafepick.errors import ConfigError, InputError
from cafepick.scoring.metrics import (
    aupro,
    auroc,
    average_precision,
    f1_max,
    iou,
    precision_recall_curve,
    roc_curve,
)

CURVE_METRICS = (auroc, average_precision, roc_curve, precision_recall_curve, f1_max)


@st.composite
def judged(draw):
    """Labels of both classes and scores, without ties, with some, or all equal."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(2, 300))
    labels = rng.random(n) < draw(st.floats(0.05, 0.95))
    labels[:2] = True, False
    scores = rng.normal(size=n) + labels * draw(st.floats(-1, 3))
    return labels, draw(st.sampled_from([scores, np.round(scores), np.round(scores, 1), np.zeros(n), 1e-300 * scores]))


# --- against scikit-learn ---


@given(judged())
def test_auroc_is_that_of_scikit_learn(case):
    assert auroc(*case) == pytest.approx(reference.roc_auc_score(*case), abs=1e-12)


@given(judged())
def test_average_precision_is_that_of_scikit_learn(case):
    assert average_precision(*case) == pytest.approx(reference.average_precision_score(*case), abs=1e-12)


@given(judged())
def test_the_roc_curve_is_that_of_scikit_learn(case):
    for ours, theirs in zip(roc_curve(*case), reference.roc_curve(*case, drop_intermediate=False), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@given(judged())
def test_the_precision_recall_curve_is_that_of_scikit_learn(case):
    """Scikit-learn lists thresholds upwards and appends the point (precision 1, recall 0)."""
    precision, recall, thresholds = reference.precision_recall_curve(*case)
    ours = precision_recall_curve(*case)
    np.testing.assert_allclose(ours.precision, precision[-2::-1], atol=1e-12)
    np.testing.assert_allclose(ours.recall, recall[-2::-1], atol=1e-12)
    np.testing.assert_array_equal(ours.thresholds, thresholds[::-1])


@given(judged())
def test_f1_max_is_reached_at_its_threshold_and_nowhere_exceeded(case):
    labels, scores = case
    best = f1_max(labels, scores)
    assert reference.f1_score(labels, scores >= best.threshold) == pytest.approx(best.f1, abs=1e-12)
    called = scores >= np.unique(scores)[:, None]  # (thresholds, n)
    hits = (called & labels).sum(axis=1)
    assert best.f1 == pytest.approx(np.max(2 * hits / (called.sum(axis=1) + labels.sum())), abs=1e-12)


# --- by hand ---


def test_four_subjects_by_hand():
    labels, scores = [False, True, False, True], [0.1, 0.4, 0.4, 0.8]
    assert auroc(labels, scores) == (3 + 0.5) / 4
    assert average_precision(labels, scores) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert f1_max(labels, scores) == (0.8, 0.4)


def test_numbers_and_lists_serve_as_labels_and_scores():
    assert auroc([0, 1], [1, 2]) == 1.0


@given(judged())
def test_auroc_of_reversed_scores_is_its_complement(case):
    labels, scores = case
    assert auroc(labels, scores) + auroc(labels, -scores) == pytest.approx(1, abs=1e-12)


# --- AUPRO ---


def slow_aupro(masks, maps, limit):
    """From the definition: every threshold, every region, one at a time."""
    regions = []
    for image, mask in enumerate(masks):
        labelled, count = ndimage.label(mask, structure=np.ones((3, 3)))
        regions += [(image, labelled == number) for number in range(1, count + 1)]
    points = [(0.0, 0.0)]
    for threshold in sorted({value for one in maps for value in one.ravel()}, reverse=True):
        called = [one >= threshold for one in maps]
        overlap = np.mean([called[image][region].mean() for image, region in regions])
        false = sum((c & ~m).sum() for c, m in zip(called, masks, strict=True))
        points.append((false / sum((~m).sum() for m in masks), overlap))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 < limit and x1 > x0:
            end = min(x1, limit)
            area += (end - x0) * (y0 + y0 + (y1 - y0) * (end - x0) / (x1 - x0)) / 2
    return area / limit


@st.composite
def mapped(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    sizes = [tuple(rng.integers(3, 14, 2)) for _ in range(draw(st.integers(1, 3)))]
    masks = [ndimage.binary_dilation(rng.random(size) < 0.05) for size in sizes]
    masks[0][0, 0], masks[0][2, 2] = True, False
    maps = [(rng.normal(size=size) + 2 * mask).astype(np.float32) for size, mask in zip(sizes, masks, strict=True)]
    digits = draw(st.sampled_from([6, 1, 0]))
    return masks, [np.round(one, digits) for one in maps]


@given(mapped(), st.sampled_from([0.05, 0.3, 1.0]))
def test_aupro_is_that_of_a_slow_implementation(case, limit):
    assert aupro(*case, limit) == pytest.approx(slow_aupro(*case, limit), abs=1e-9)


def test_aupro_of_a_perfect_and_of_an_empty_map():
    mask = np.zeros((20, 20), bool)
    mask[5:8, 5:8] = True
    assert aupro([mask], [mask.astype(float)]) == 1.0
    assert aupro([mask], [np.zeros((20, 20))]) == pytest.approx(0.15)  # one step: all pixels at once


def test_a_small_defect_counts_as_much_as_a_large_one():
    mask = np.zeros((50, 50), bool)
    mask[:20, :20] = mask[40, 40] = True
    only_large, only_small = np.zeros((2, 50, 50))
    only_large[:20, :20] = only_small[40, 40] = 1
    assert aupro([mask], [only_large]) == pytest.approx(aupro([mask], [only_small]))


def test_pixels_that_touch_at_corners_are_one_region():
    mask = np.zeros((30, 30), bool)
    mask[0, 0] = mask[1, 1] = mask[20, 20] = True
    found = np.zeros((30, 30))
    found[0, 0] = found[1, 1] = 1
    expected = slow_aupro([mask], [found], 0.3)
    assert aupro([mask], [found]) == pytest.approx(expected)
    assert expected == pytest.approx(0.5 + 0.5 * 0.15)  # one region of two is found


def test_good_images_count_as_background():
    mask = np.zeros((10, 10), bool)
    mask[2, 2] = True
    noisy = np.random.default_rng(0).random((10, 10))
    alone = aupro([mask], [noisy])
    beside_quiet = aupro([mask, np.zeros((10, 10), bool)], [noisy, np.zeros((10, 10))])
    assert beside_quiet > alone


@pytest.mark.parametrize(("value", "words"), [(False, "got no defects"), (True, "got only defects")])
def test_aupro_needs_defects_and_background(value, words):
    with pytest.raises(InputError, match=words):
        aupro([np.full((4, 4), value)], [np.zeros((4, 4))])


def test_aupro_needs_a_map_of_its_size_for_each_mask():
    mask = np.zeros((4, 4), bool)
    for maps in ([], [np.zeros((4, 5))], [np.zeros((4, 4))] * 2):
        with pytest.raises(InputError, match="needs a map for each mask, of its size"):
            aupro([mask], maps)
    with pytest.raises(InputError, match="needs a map for each mask"):
        aupro([], [])


@pytest.mark.parametrize("limit", [0, 1.1, float("nan")])
def test_aupro_limit_out_of_range(limit):
    with pytest.raises(ConfigError, match=r"must lie in \(0, 1\]"):
        aupro([np.eye(3, dtype=bool)], [np.eye(3)], limit)


# --- IoU ---


def test_iou():
    first, second = np.zeros((2, 4, 4), bool)
    assert iou(first, second) == 1.0
    first[:2] = True
    assert iou(first, second) == 0.0
    second[1:3] = True
    assert iou(first, second) == pytest.approx(4 / 12)
    with pytest.raises(InputError, match=r"must have one size, got \(4, 4\) and \(3, 4\)"):
        iou(first, second[1:])


# --- what has no answer ---


@pytest.mark.parametrize("metric", CURVE_METRICS)
def test_one_class_only(metric):
    for labels, words in (([True] * 3, "only defective ones"), ([False] * 3, "only good ones")):
        with pytest.raises(InputError, match=f"needs good and defective subjects, got {words}: add the other class"):
            metric(labels, [1, 2, 3])
    with pytest.raises(InputError, match="got none at all"):
        metric([], [])


@pytest.mark.parametrize("metric", CURVE_METRICS)
def test_scores_that_are_no_numbers(metric):
    with pytest.raises(InputError, match="got NaN or infinity for 2 of 3"):
        metric([True, False, True], [np.nan, 1, np.inf])


@pytest.mark.parametrize("metric", CURVE_METRICS)
def test_lengths_that_differ(metric):
    with pytest.raises(InputError, match=r"two lists of one length, got shapes \(2,\), \(3,\)"):
        metric([True, False], [1, 2, 3])

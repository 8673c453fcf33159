"""Maps land where their bean lies, and nothing gets lost when photos are made small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cafepick.beans.crop import box_of, crop_whole
from cafepick.config import CropConfig
from cafepick.jobs.pixels import LARGEST_SIDE, MOST_PIXELS, WHOLE, photo_map, pixel_truth, side_for
from cafepick.types import Box, Crop, Evidence, Judgement, Outline, Verdict


def verdict(photo_shape: tuple[int, int], anomaly: np.ndarray, p_value: float = 0.01) -> Verdict:
    """The verdict on a whole photo with this anomaly map."""
    size = len(anomaly)
    crop = crop_whole(np.zeros((*photo_shape, 3), np.uint8), CropConfig(subject="whole", size=size))
    evidence = Evidence(crop, crop.image, anomaly.astype(np.float32), anomaly > 0.5)
    return Verdict(1, Judgement.NG, crop.box, evidence=evidence, p_value=p_value)


def bean(left: int, p_value: float, anomaly: np.ndarray) -> Verdict:
    """The verdict on a bean of 12 x 20 pixels at x = ``left``, y = 20; its crop of 40 x 40 lies around it."""
    size = len(anomaly)
    contour = np.array([[left, 20], [left + 11, 20], [left + 11, 39], [left, 39]], np.float32)
    to_photo = np.array([[1.0, 0.0, left - 14], [0.0, 1.0, 10]])
    mask = np.zeros((size, size), bool)
    mask[10:30, 14:26] = True
    crop = Crop(np.zeros((size, size, 3), np.uint8), mask, to_photo, box_of(contour), 0.0)
    evidence = Evidence(crop, crop.image, anomaly.astype(np.float32), anomaly > 0.5)
    return Verdict(1, Judgement.NG, crop.box, outline=Outline(contour, False), evidence=evidence, p_value=p_value)


def test_a_map_lies_over_its_mask():
    anomaly = np.zeros((32, 32))
    anomaly[8:16, 4:12] = 1.0
    mask = np.kron(anomaly > 0, np.ones((4, 4))).astype(bool)  # 128 x 128
    truth = pixel_truth(mask, [verdict(mask.shape, anomaly)], side=512)
    assert truth.anomaly.shape == truth.mask.shape == (128, 128)
    assert np.sum(truth.segmentation & mask) / np.sum(truth.segmentation | mask) > 0.9
    assert truth.anomaly[mask].mean() > 1.8  # log10 of the p-value is -2
    assert truth.anomaly[~mask].mean() < 0.3


def test_the_odder_bean_has_the_higher_map_and_an_ordinary_one_none():
    anomaly = np.full((40, 40), 0.3)
    whole = photo_map((60, 200), [bean(20, 0.001, anomaly), bean(90, 0.1, anomaly), bean(160, 1.0, anomaly)])
    assert whole[30, 25] == pytest.approx(3 * (0.3 + WHOLE))
    assert whole[30, 95] == pytest.approx(1 * (0.3 + WHOLE))
    assert whole[30, 165] == 0
    assert whole[15, 25] == pytest.approx(3 * 0.3)  # beyond the outline, where a part may be missing
    assert whole[5, 100] == 0


def test_a_map_never_reaches_onto_another_bean():
    odd = np.zeros((40, 40))
    odd[:, 27:] = 0.9  # right of the bean, where the next one stands
    verdicts = [bean(20, 0.001, odd), bean(36, 0.1, np.zeros((40, 40)))]
    whole = photo_map((60, 100), verdicts)
    assert whole[30, 34] == pytest.approx(3 * 0.9)
    assert whole[30, 40] == pytest.approx(WHOLE)
    truth = pixel_truth(np.zeros((60, 100), bool), verdicts, side=512)
    assert truth.segmentation[30, 34]
    assert not truth.segmentation[30, 40]


def test_beans_that_were_not_judged_have_no_map_and_keep_their_place():
    odd = np.full((40, 40), 0.9)
    cut = replace(bean(36, 0.5, odd), judgement=Judgement.CUT, evidence=None, p_value=None)
    whole = photo_map((60, 100), [bean(20, 0.001, odd), cut])
    assert whole[30, 34] > 0
    assert whole[30, 40] == 0, "another bean lies there, though it was not judged"
    assert not photo_map((60, 100), [cut, replace(bean(20, 0.1, odd), p_value=None)]).any()


def test_a_single_defective_pixel_survives_any_reduction():
    mask = np.zeros((300, 701), bool)
    mask[299, 700] = True
    truth = pixel_truth(mask, [], side=64)
    assert truth.mask.sum() == 1
    assert max(truth.mask.shape) <= 64
    assert truth.mask[-1, -1]
    assert truth.block == 11
    assert pixel_truth(mask, [], side=701).block == 1
    assert not truth.anomaly.any()


def test_a_photo_without_verdicts_on_beans_has_an_empty_map():
    empty = Verdict(0, Judgement.EMPTY, Box(0, 0, 9, 9))
    assert not pixel_truth(np.ones((9, 9), bool), [empty], side=512).segmentation.any()


@pytest.mark.parametrize("photos", [0, 1, 61, 62, 5000])
def test_all_photos_together_fit_into_memory(photos):
    assert side_for(photos) <= LARGEST_SIDE
    assert photos * side_for(photos) ** 2 <= MOST_PIXELS

"""Maps land where their bean lies, and nothing gets lost when photos are made small."""

from __future__ import annotations

import numpy as np
import pytest

from cafepick.beans.crop import crop_whole
from cafepick.config import CropConfig
from cafepick.jobs.pixels import LARGEST_SIDE, MOST_PIXELS, pixel_truth, side_for
from cafepick.types import Box, Evidence, Judgement, Verdict


def verdict(photo_shape: tuple[int, int], anomaly: np.ndarray) -> Verdict:
    """The verdict on a whole photo with this anomaly map."""
    size = len(anomaly)
    crop = crop_whole(np.zeros((*photo_shape, 3), np.uint8), CropConfig(subject="whole", size=size))
    evidence = Evidence(crop, crop.image, anomaly.astype(np.float32), anomaly > 0.5)
    return Verdict(1, Judgement.NG, crop.box, evidence=evidence)


def test_a_map_lies_over_its_mask():
    anomaly = np.zeros((32, 32))
    anomaly[8:16, 4:12] = 1.0
    mask = np.kron(anomaly > 0, np.ones((4, 4))).astype(bool)  # 128 x 128
    truth = pixel_truth(mask, [verdict(mask.shape, anomaly)], side=512)
    assert truth.anomaly.shape == truth.mask.shape == (128, 128)
    assert np.sum(truth.segmentation & mask) / np.sum(truth.segmentation | mask) > 0.9
    assert truth.anomaly[mask].mean() > 0.9
    assert truth.anomaly[~mask].mean() < 0.05


def test_a_single_defective_pixel_survives_any_reduction():
    mask = np.zeros((300, 701), bool)
    mask[299, 700] = True
    truth = pixel_truth(mask, [], side=64)
    assert truth.mask.sum() == 1
    assert max(truth.mask.shape) <= 64
    assert truth.mask[-1, -1]
    assert not truth.anomaly.any()


def test_a_photo_without_verdicts_on_beans_has_an_empty_map():
    empty = Verdict(0, Judgement.EMPTY, Box(0, 0, 9, 9))
    assert not pixel_truth(np.ones((9, 9), bool), [empty], side=512).segmentation.any()


@pytest.mark.parametrize("photos", [0, 1, 61, 62, 5000])
def test_all_photos_together_fit_into_memory(photos):
    assert side_for(photos) <= LARGEST_SIDE
    assert photos * side_for(photos) ** 2 <= MOST_PIXELS

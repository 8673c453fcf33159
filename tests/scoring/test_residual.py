"""Anomaly maps point at what differs, inside the subject and where a part of it is missing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cafepick.errors import CalibrationError
from cafepick.scoring.residual import anomaly_maps, pixel_threshold, segmentations


def bean(size: int = 64) -> np.ndarray:
    """A dark disc on blank ground, (size, size, 3) in [-1, 1]."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    image = np.full((size, size, 3), 0.84, np.float32)
    image[np.hypot(x, y) < 0.4] = -0.2
    return image


def test_equal_pictures_differ_nowhere() -> None:
    images = np.stack([bean(), bean()])
    assert not anomaly_maps(images, images).any()


@given(st.integers(0, 99), st.sampled_from([1, 3]), st.sampled_from([16, 28, 64]))
def test_maps_keep_within_0_and_2(seed: int, channels: int, size: int) -> None:
    images, others = np.random.default_rng(seed).uniform(-1, 1, (2, 3, size, size, channels)).astype(np.float32)
    maps = anomaly_maps(images, others)
    assert maps.shape == (3, size, size)
    assert maps.dtype == np.float32
    assert 0 <= maps.min() <= maps.max() <= 2


def test_black_for_white_is_an_error_of_2() -> None:
    white = np.ones((1, 28, 28, 1), np.float32)
    np.testing.assert_allclose(anomaly_maps(white, -white), 2, rtol=1e-6)


def test_smoothing_moves_error_about_but_keeps_its_sum() -> None:
    damaged = bean()
    damaged[30:34, 30:34] = 1
    (found,) = anomaly_maps(damaged[np.newaxis], bean()[np.newaxis])
    assert found.sum() == pytest.approx(np.abs(damaged - bean()).mean(axis=2).sum(), rel=1e-4)
    assert np.unravel_index(found.argmax(), found.shape) in {(31, 31), (31, 32), (32, 31), (32, 32)}


def test_each_map_depends_on_its_own_pictures() -> None:
    images, others = np.random.default_rng(0).uniform(-1, 1, (2, 5, 28, 28, 3)).astype(np.float32)
    np.testing.assert_array_equal(anomaly_maps(images, others)[3], anomaly_maps(images[3:4], others[3:4])[0])


def test_a_missing_part_counts_though_it_lies_outside_the_mask() -> None:
    broken = bean()
    broken[:, 40:] = 0.84  # as blank as the ground: no mask of the bean reaches here
    (found,) = anomaly_maps(broken[np.newaxis], bean()[np.newaxis])
    marked = segmentations(found[None], 0.5)[0]
    assert marked[25:39, 44:50].all()
    assert not marked[:, :36].any()


def test_specks_are_left_out() -> None:
    errors = np.zeros((64, 64), np.float32)
    errors[5, 5] = errors[6, 6] = 2  # two pixels that touch at a corner
    errors[20:22, 20:23] = 2
    marked = segmentations(errors[None], 1.0)[0]
    assert marked.sum() == 6
    assert marked[20:22, 20:23].all()


def test_pixels_that_touch_at_a_corner_are_one_region_and_a_thousandth_is_enough() -> None:
    errors = np.zeros((100, 100), np.float32)
    for step in range(10):
        errors[20 + step, 30 + step] = errors[60, 30 + step] = 2
    errors[60, 39] = 0
    marked = segmentations(errors[None], 1.0)[0]
    assert (marked.sum(), marked[20, 30], marked[29, 39], marked[60].any()) == (10, True, True, False)


def test_the_same_defect_is_no_speck_at_any_size() -> None:
    for size in (28, 64, 128):
        errors = np.zeros((size, size), np.float32)
        errors[: size // 12, : size // 12] = 1
        assert segmentations(errors[None], 0.5)[0].sum() == (size // 12) ** 2


@pytest.mark.parametrize("value", [0.0, 2.0])
def test_a_flat_map_is_marked_whole_or_not_at_all(value: float) -> None:
    assert segmentations(np.full((28, 28), value, np.float32)[None], 1.0)[0].all() == (value > 1)


def test_each_map_is_marked_by_itself() -> None:
    maps = np.random.default_rng(0).random((7, 20, 20)).astype(np.float32)
    maps[2, -1, 3:6] = maps[3, 0, 3:6] = 2  # two regions, of which neither reaches into the other's map
    together = segmentations(maps, 0.7)
    np.testing.assert_array_equal(together, np.concatenate([segmentations(one[None], 0.7) for one in maps]))
    specks = np.zeros((2, 100, 100), np.float32)
    specks[0, -1, :5] = specks[1, 0, :5] = 2
    assert not segmentations(specks, 1.0).any()
    assert segmentations(maps[:0], 0.7).shape == (0, 20, 20)


def test_good_pixels_stay_unmarked_at_the_rate_asked_for() -> None:
    maps = np.random.default_rng(0).gamma(2.0, 0.1, (50, 32, 32)).astype(np.float32)
    threshold = pixel_threshold(maps, quantile=0.99)
    assert np.mean(maps > threshold) == pytest.approx(0.01, rel=0.02)


def test_a_threshold_needs_good_subjects() -> None:
    with pytest.raises(CalibrationError, match="at least one good subject"):
        pixel_threshold(np.zeros((0, 64, 64), np.float32), quantile=0.99)

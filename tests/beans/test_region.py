"""A bean's window gives to the bit what its whole crop would."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cafepick.beans.region import Region, high_quantile, quantiles

FLOATS = arrays.arrays(np.float32, st.integers(1, 400), elements=st.floats(0, 100, width=32))


def bean(size: int, place: tuple[int, int], axes: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A speckled oval, (size, size, 3), and its mask."""
    mask = cv2.ellipse(np.zeros((size, size), np.uint8), place, axes, 20, 0, 360, 1, cv2.FILLED)
    return np.random.default_rng(size).integers(0, 256, (size, size, 3), np.uint8), mask.astype(bool)


BEANS = {
    "in the middle": bean(128, (63, 64), (30, 45)),
    "to one side": bean(64, (20, 40), (9, 14)),
    "cut by the edge": bean(64, (2, 30), (20, 25)),
    "from edge to edge": bean(64, (31, 32), (40, 40)),
    "of an odd size": bean(45, (20, 25), (8, 12)),
    "of an even size": bean(100, (50, 50), (20, 40)),
}


@pytest.mark.parametrize("name", BEANS)
def test_window_and_crop_agree_to_the_bit(name: str) -> None:
    image, mask = BEANS[name]
    region = Region.of(image, mask)
    size = len(mask)
    lab = cv2.cvtColor(image.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    assert np.array_equal(region.lab, region.windowed(lab))
    assert np.array_equal(region.framed(0, 0), mask)
    assert region.area == mask.sum()
    rows, columns = np.nonzero(mask)
    assert region.middle == pytest.approx([columns.mean(), rows.mean()])
    assert region.left == (size - region.lab.shape[1]) / 2, "symmetric about the middle"
    assert region.top == (size - region.lab.shape[0]) / 2
    assert np.array_equal(region.light, region.lab[..., 0])
    assert np.array_equal(region.within(region.inside), lab[mask].T)


@given(FLOATS)
def test_quantiles_are_those_of_numpy(values: np.ndarray) -> None:
    assert high_quantile(values, 0.98) == np.quantile(values, 0.98)
    shares = (0.05, 0.25, 0.5, 0.95)
    rows = np.stack([values, values[::-1] / 2])
    assert np.array_equal(quantiles(rows, shares), np.quantile(rows, np.array(shares), axis=1).T.ravel())


def test_a_sample_that_misses_the_highest_values_does_not_mislead() -> None:
    values = np.zeros(1600, np.float32)
    values[::16] = 100  # all that is sampled lies high
    assert high_quantile(values, 0.98) == np.quantile(values, 0.98)
    values = np.roll(values, 1)  # and now low
    assert high_quantile(values, 0.98) == np.quantile(values, 0.98)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cafepick.training.variety import COLLAPSED, variety


def blobs(seed: int, count: int, *, spread: float) -> np.ndarray:
    """Discs on grey whose middles lie so many pixels apart."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:32, :32]
    middles = 16 + spread * random.normal(size=(count, 2))
    far = np.hypot(y - middles[:, :1, None], x - middles[:, 1:, None])
    return np.where(far < 6, 200, 90).astype(np.uint8)[..., None].repeat(3, axis=3)


def test_images_of_the_same_kind_are_as_varied() -> None:
    assert variety(blobs(0, 256, spread=4), blobs(1, 500, spread=4)) == pytest.approx(1, abs=0.05)


def test_one_image_over_and_over_is_not_varied_at_all() -> None:
    assert variety(np.repeat(blobs(0, 1, spread=4), 256, axis=0), blobs(1, 500, spread=4)) == 0


def test_much_the_same_over_and_over_is_called_a_collapse() -> None:
    assert 0 < variety(blobs(0, 256, spread=0.3), blobs(1, 500, spread=4)) < COLLAPSED
    assert variety(blobs(0, 256, spread=3), blobs(1, 500, spread=4)) > COLLAPSED


def test_where_good_ones_are_all_the_same_nothing_is_missing() -> None:
    same = np.full((10, 8, 8, 1), 30, np.uint8)
    assert variety(same, same) == 1


@given(st.integers(1, 40), st.integers(0, 5), st.permutations(range(12)))
def test_neither_order_nor_brightness_counts(levels: int, seed: int, order: list[int]) -> None:
    random = np.random.default_rng(seed)
    drawn, good = (random.integers(0, 100, (count, 4, 4, 1)).astype(np.uint8) for count in (12, 20))
    assert variety(drawn[order] + np.uint8(levels), good) == pytest.approx(variety(drawn, good), rel=1e-4)

"""Beans measured together in windows of their crops, and what of it can be told from each crop alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cafepick.beans.regions import MARGIN, SOME, Regions, blurred, filtered, means

SHARES = (0.05, 0.25, 0.5, 0.98)


def bean(size: int, place: tuple[int, int], axes: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A speckled oval, (size, size, 3), and its mask."""
    mask = cv2.ellipse(np.zeros((size, size), np.uint8), place, axes, 20, 0, 360, 1, cv2.FILLED)
    return np.random.default_rng(sum(axes)).integers(0, 256, (size, size, 3), np.uint8), mask.astype(bool)


BEANS = {
    "large": [bean(128, (63, 64), (30, 45)), bean(128, (70, 50), (20, 25)), bean(128, (64, 64), (3, 4))],
    "cut by the edge": [bean(64, (2, 30), (20, 25)), bean(64, (20, 40), (9, 14))],
    "from edge to edge": [bean(64, (31, 32), (40, 40)), bean(64, (31, 32), (1, 2))],
    "of an odd size": [bean(45, (20, 25), (8, 12))],
    "of an even size": [bean(100, (50, 50), (20, 40)), bean(100, (40, 60), (10, 10))],
}


@pytest.fixture(params=BEANS)
def beans(request: pytest.FixtureRequest) -> list[tuple[np.ndarray, np.ndarray]]:
    return BEANS[request.param]


def test_windows_hold_all_of_the_beans_with_room_around(beans: list[tuple[np.ndarray, np.ndarray]]) -> None:
    images, masks = zip(*beans, strict=True)
    regions = Regions.of(images, masks)
    size, (_, height, width) = regions.size, regions.mask.shape
    assert size == len(masks[0])
    assert (height, width) == (size - 2 * regions.top, size - 2 * regions.left), "symmetric about the middle"
    room = round(MARGIN * size / 64)
    assert not regions.mask[:, :room].any()
    assert not regions.mask[:, :, -room:].any()
    for place, (image, mask) in enumerate(beans):
        assert np.array_equal(regions.pixels[place][regions.inside[place]], image[mask])
        assert np.array_equal(each(regions, regions.colours)[place], lab_of(image)[mask].T)
        assert regions.areas[place] == mask.sum()
        rows, columns = np.nonzero(mask)
        assert regions.moments[place, :2] == pytest.approx([columns.mean(), rows.mean()])
        spread = np.cov(columns, rows, bias=True) + np.eye(2) / 12
        assert regions.moments[place, 2:] == pytest.approx([spread[0, 0], spread[0, 1], spread[1, 1]])
        framed = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        depth = cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1][mask] / (size / 64)
        assert each(regions, regions.depth)[place] == pytest.approx(depth)
        assert np.array_equal(regions.windows(mask.astype(np.uint8))[place], regions.mask[place])


def each(regions: Regions, values: np.ndarray) -> list[np.ndarray]:
    """The values of each bean, of (..., pixels)."""
    return np.split(values, regions.starts[1:], axis=-1)


def lab_of(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)


def test_what_is_known_of_each_bean_is_that_of_it_alone(beans: list[tuple[np.ndarray, np.ndarray]]) -> None:
    together = Regions.of(*zip(*beans, strict=True))
    for place, (image, mask) in enumerate(beans):
        alone = Regions.of([image], [mask])
        assert np.array_equal(each(together, together.within(together.light))[place], alone.within(alone.light))
        for name in ("areas", "moments"):
            assert np.array_equal(getattr(together, name)[place], getattr(alone, name)[0])
        ours, own = together.within(together.light), alone.within(alone.light)
        assert np.array_equal(together.quantiles(ours, SHARES)[place], alone.quantiles(own, SHARES)[0])
        assert together.high_quantile(ours, 0.98)[place] == alone.high_quantile(own, 0.98)[0]
        assert together.mean(ours)[place] == alone.mean(own)[0]


def test_light_is_that_of_the_cie() -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    image[4:12, 4] = 119
    image[4:12, 5] = 255
    image[4:12, 6] = (255, 0, 0)
    image[4:12, 7] = (8, 8, 8)
    mask = np.zeros((16, 16), bool)
    mask[4:12, 4:9] = True
    regions = Regions.of([image], [mask])
    known = np.tile([50.034, 100, 53.241, 2.193, 0], 8)  # black is not written over
    assert regions.within(regions.light) == pytest.approx(known, abs=2e-3)
    colours = bean(64, (32, 32), (20, 30))
    noisy = Regions.of(*([one] for one in colours))
    assert np.abs(noisy.within(noisy.light) - noisy.colours[0]).max() < 0.3


@given(st.lists(arrays.arrays(np.bool_, (16, 16)), min_size=1, max_size=4), st.integers(0, 9))
def test_quantiles_and_means_are_those_of_numpy(masks: list[np.ndarray], seed: int) -> None:
    for mask in masks:
        mask[8, 8] = True
    regions = Regions.of([np.zeros((16, 16, 3), np.uint8)] * len(masks), masks)
    values = np.random.default_rng(seed).normal(50, 20, (2, int(regions.areas.sum()))).astype(np.float32)
    for shares in (SHARES, SHARES[-1:]):
        found = regions.quantiles(values, shares)
        for place, own in enumerate(each(regions, values)):
            assert found[:, place] == pytest.approx(np.quantile(own.astype(np.float64), shares, axis=1).T)
    for place, own in enumerate(each(regions, values)):
        assert regions.mean(values)[:, place] == pytest.approx(own.mean(axis=1), rel=1e-5)


@given(
    arrays.arrays(np.bool_, (40, 40)),
    st.sampled_from([0.5, 0.9, 0.98, 1.0]),
    st.sampled_from(["spread", "tied", "rising", "falling", "sparse"]),
    st.integers(0, 9),
)
def test_a_high_quantile_is_that_of_numpy_however_the_values_lie(
    mask: np.ndarray, share: float, how: str, seed: int
) -> None:
    mask[8, 8] = True
    regions = Regions.of([np.zeros((40, 40, 3), np.uint8)] * 2, [mask, np.ones((40, 40), bool)])
    random, count = np.random.default_rng(seed), int(regions.areas.sum())
    values = {
        "spread": lambda: random.normal(size=count),
        "tied": lambda: random.integers(0, 3, count),
        "rising": lambda: np.arange(count),
        "falling": lambda: -np.arange(count),
        "sparse": lambda: (np.arange(count) % SOME == 0) * random.random(count),
    }[how]().astype(np.float32)
    found = regions.high_quantile(values, share)
    assert np.array_equal(found, regions.quantiles(values, [share])[:, 0])
    assert found == pytest.approx([np.quantile(own.astype(np.float64), share) for own in each(regions, values)])


def test_means_of_where_there_is_nothing_are_0() -> None:
    pictures = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    where = np.zeros((4, 2, 3), bool)
    where[1] = True
    where[2, 0, 1:] = True
    assert means(pictures, where).tolist() == [0, 8.5, 13.5, 0]


def test_a_blur_finds_nothing_beyond_its_picture() -> None:
    pictures = np.random.default_rng(0).uniform(0, 1, (3, 20, 24)).astype(np.float32)
    together = blurred(pictures, 2.5)
    for place, picture in enumerate(pictures):
        assert together[place] == pytest.approx(blurred(picture[None], 2.5)[0], abs=1e-6)
        kernel = (17, 17)
        alone = cv2.GaussianBlur(picture, kernel, 2.5, borderType=cv2.BORDER_CONSTANT)
        assert together[place] == pytest.approx(alone, abs=1e-5)
    assert np.array_equal(filtered(lambda tall: tall + 1, pictures), pictures + 1)

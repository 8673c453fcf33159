"""Edges and colours on a grid: where they lie, which way they run, and how little a small shift changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cafepick.beans.crop import crop_whole
from cafepick.beans.descriptors import descriptors_of, layout_of, names_of
from cafepick.beans.grid import DIRECTIONS, cells_of, describe_grid
from cafepick.config import CropConfig
from cafepick.types import Layout


def edge(size: int = 64, *, at: int = 32, turned: bool = False) -> np.ndarray:
    """Dark on the left (or on top), bright on the right (or below)."""
    image = np.full((size, size, 3), 60, np.uint8)
    image[:, at:] = 200
    return np.ascontiguousarray(image.swapaxes(0, 1)) if turned else image


def gradients(image: np.ndarray) -> np.ndarray:
    """(cells, cells, DIRECTIONS) of the descriptors."""
    cells = cells_of(len(image))
    return describe_grid(image).reshape(cells, cells, -1)[..., :DIRECTIONS]


@pytest.mark.parametrize(("size", "cells"), [(16, 4), (28, 7), (32, 8), (64, 8), (128, 8)])
def test_cells_are_four_pixels_wide_or_an_eighth_of_the_side(size: int, cells: int) -> None:
    assert cells_of(size) == cells
    assert describe_grid(np.zeros((size, size, 1), np.uint8)).shape == (cells * cells * (DIRECTIONS + 1),)


def test_an_edge_counts_in_its_cells_and_its_direction_only() -> None:
    found = gradients(edge())
    assert found[:, 3:5, 0].min() > 5 * found[:, :2].max()
    assert found[:, 3:5, 0].min() > 5 * found[:, :, 2].max()
    assert gradients(edge(turned=True))[3:5, :, 2].min() > 5 * gradients(edge(turned=True))[..., 0].max()


def test_dark_beside_bright_is_not_bright_beside_dark() -> None:
    there, back = gradients(edge()), gradients(np.ascontiguousarray(edge()[:, ::-1]))
    assert there[:, 3:5, 0].min() > 5 * back[:, 3:5, 0].max()
    assert back[:, 3:5, DIRECTIONS // 2].min() > 5 * there[:, 3:5, DIRECTIONS // 2].max()


def test_a_shift_by_a_pixel_changes_little() -> None:
    still, shifted, far = (describe_grid(edge(at=at)) for at in (32, 33, 48))
    assert np.abs(still - shifted).sum() < 0.2 * np.abs(still - far).sum()


def test_colour_stands_in_its_cell() -> None:
    image = np.full((64, 64, 3), 128, np.uint8)
    image[:8, :8] = (200, 40, 40)
    red = describe_grid(image).reshape(8, 8, -1)[..., DIRECTIONS + 1]
    assert np.unravel_index(int(red.argmax()), red.shape) == (0, 0)
    assert abs(float(red[4, 4])) < 0.01


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3]), st.sampled_from([16, 28, 45, 64]))
def test_any_image_gives_finite_numbers(seed: int, channels: int, size: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (size, size, channels), np.uint8)
    assert np.isfinite(describe_grid(image)).all()


def test_a_whole_subject_is_described_on_the_grid_and_a_bean_by_names() -> None:
    whole = CropConfig(subject="whole", size=28, channels=1)
    crops = [crop_whole(edge(size), whole) for size in (64, 80)]
    assert descriptors_of(crops, whole).shape == (2, 49 * 9)
    assert (layout_of(whole), names_of(whole)) == (Layout(cells=49), ())
    assert layout_of(CropConfig()) == Layout(light_last=True)
    assert "lightness_50" in names_of(CropConfig())

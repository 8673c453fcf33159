"""A closer look: what is fine shows in the numbers of its place, and nowhere else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cafepick.beans.closer import PLACE, SIDE, describe_closer, numbers_of, side_for
from cafepick.beans.crop import crop_whole
from cafepick.beans.descriptors import descriptors_of, layout_of
from cafepick.beans.grid import DIRECTIONS
from cafepick.config import CropConfig
from cafepick.errors import ConfigError


def woven(side: int = SIDE) -> np.ndarray:
    """Threads eight pixels wide."""
    y, x = np.mgrid[:side, :side]
    light = 120 + 60 * np.abs(np.sin(np.pi * np.where((x // 8 + y // 8) % 2, x, y) / 8))
    return np.repeat(light.astype(np.uint8)[..., None], 3, axis=2)


def by_place(image: np.ndarray) -> np.ndarray:
    """(rows, columns, numbers)"""
    places = image.shape[0] // PLACE
    return describe_closer(image).reshape(places, places, -1)


@pytest.mark.parametrize(
    ("shown", "size", "side"),
    [
        (28, 28, None),
        (100, 64, None),
        (127, 64, None),
        (128, 64, 128),
        (143, 64, 128),
        (4000, 64, 256),
        (4000, 128, 256),
        (4000, 129, None),
        (90, 32, 80),
    ],
)
def test_there_is_a_closer_look_where_photos_show_much_more_than_crops(shown: int, size: int, side: int | None) -> None:
    assert side_for(shown, size) == side


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3]), st.sampled_from([32, 80, 128]))
def test_any_image_gives_finite_numbers(seed: int, channels: int, side: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (side, side, channels), np.uint8)
    found = describe_closer(image)
    assert found.shape == ((side // PLACE) ** 2 * numbers_of(channels),)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("level", [0, 255])
def test_a_flat_picture_gives_the_same_numbers_everywhere(level: int) -> None:
    found = by_place(np.full((SIDE, SIDE, 3), level, np.uint8))
    np.testing.assert_allclose(found, np.broadcast_to(found[0, 0], found.shape), atol=1e-5)


def test_a_scratch_shows_where_it_is_and_hardly_elsewhere() -> None:
    spoiled = woven()
    cv2.line(spoiled, (200, 40), (216, 46), (230, 230, 225), 2)
    change = np.abs(by_place(spoiled) - by_place(woven())).max(axis=2)
    row, column = np.unravel_index(int(change.argmax()), change.shape)
    assert (row, column) in {(2, 12), (2, 13)}
    assert np.median(change) < 0.01 * change.max()


def test_colour_and_texture_have_numbers_of_their_own() -> None:
    tinted, smeared = woven(), woven()
    tinted[64:128, 64:128, 2] = tinted[64:128, 64:128, 2] // 2
    smeared[64:128, 64:128] = cv2.GaussianBlur(woven(), (0, 0), 3)[64:128, 64:128]
    usual = by_place(woven())[5, 5]
    edges, colours, bands = np.split(np.arange(numbers_of(3)), [2 * DIRECTIONS, 2 * DIRECTIONS + 3])
    tint, smear = np.abs(by_place(tinted)[5, 5] - usual), np.abs(by_place(smeared)[5, 5] - usual)
    assert tint[colours].max() > 0.1
    assert smear[bands].max() > 0.02
    assert smear[edges].max() > 0.02
    assert smear[colours].max() < 0.02


def test_places_come_in_reading_order() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[16:32, 48:] = 255  # second row, last column
    light = describe_closer(image).reshape(16, -1)[:, 2 * DIRECTIONS]
    assert int(light.argmax()) == 7


def test_descriptors_of_a_whole_subject_end_with_its_closer_look() -> None:
    photo = woven(512)
    plain, closer = CropConfig(subject="whole"), CropConfig(subject="whole", detail=128)
    crop = crop_whole(photo, closer)
    assert crop.detail is not None
    assert crop.detail.image.shape == (128, 128, 3)
    found, layout = descriptors_of([crop, crop], closer), layout_of(closer)
    assert layout.closer == (64, numbers_of(3))
    assert crop_whole(photo, plain).detail is layout_of(plain).closer is None
    on_grid = descriptors_of([crop_whole(photo, plain)], plain)[0]
    np.testing.assert_array_equal(found[1], np.concatenate([on_grid, describe_closer(crop.detail.image)]))


def test_a_closer_look_shows_the_central_square_in_the_channels_of_the_crop() -> None:
    photo = np.zeros((300, 500, 3), np.uint8)
    photo[50:250, 150:350] = 200
    crop = crop_whole(photo, CropConfig(subject="whole", size=32, channels=1, centre=200, detail=64))
    assert crop.detail is not None
    assert crop.detail.image.shape == (64, 64, 1)
    assert (crop.detail.image == 200).all()
    assert crop.box == (150, 50, 200, 200)


@pytest.mark.parametrize("detail", [0, -1, 512])
def test_a_closer_look_has_a_side_that_can_be(detail: int) -> None:
    with pytest.raises(ConfigError, match=r"detail must lie in 1\.\.256"):
        CropConfig(subject="whole", detail=detail)
    with pytest.raises(ConfigError, match="subject whole"):
        CropConfig(detail=128)

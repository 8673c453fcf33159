"""Made-up defects are seen on the subject, differ from image to image, and leave the ground alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cafepick.training.corrupt import KINDS, RECOLOURED, Scene, blobs, spoil, subject

GROUND = 0.8


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def beans(count: int = 8, size: int = 32, channels: int = 3) -> torch.Tensor:
    """Draw textured squares on even ground."""
    images = torch.full((count, channels, size, size), GROUND)
    images[:, :, 8:-8, 10:-10] = torch.rand(count, channels, size - 16, size - 20, generator=random(1)) - 0.7
    return images


@given(st.integers(0, 2**32), st.sampled_from([1, 3]), st.sampled_from([28, 32, 45]))
def test_nearly_every_image_is_visibly_spoiled_within_the_range_of_pixels(seed: int, channels: int, size: int) -> None:
    images = beans(size=size, channels=channels)
    spoiled = spoil(images, random(seed)).images
    assert spoiled.shape == images.shape
    assert float(spoiled.abs().max()) <= 1 + 1e-6
    visible = (spoiled - images).abs().amax((1, 2, 3)) > 0.02  # a tint by chance is a faint one
    assert int(visible.sum()) >= 5


@given(st.integers(0, 2**32))
def test_the_ground_away_from_the_subject_stays(seed: int) -> None:
    images = beans()
    changed = (spoil(images, random(seed)).images - images).abs() > 1e-4
    assert not bool(changed[:, :, :7].any())
    assert not bool(changed[:, :, :, :9].any())


def test_the_same_random_state_spoils_alike_and_another_otherwise() -> None:
    images = beans()
    assert torch.equal(spoil(images, random(4)).images, spoil(images, random(4)).images)
    assert not torch.equal(spoil(images, random(4)).images, spoil(images, random(5)).images)


def test_the_good_images_stay_good() -> None:
    images = beans()
    before = images.clone()
    spoil(images, random())
    assert torch.equal(images, before)


def test_the_subject_is_what_differs_from_the_corner() -> None:
    inside = subject(beans(1))[0, 0]
    assert float(inside[8:-8, 10:-10].mean()) == 1
    assert float(inside.sum()) == 16 * 12


@given(st.integers(0, 2**32))
def test_each_subject_has_a_blob_and_nothing_lies_outside(seed: int) -> None:
    inside = subject(beans())
    where = blobs(inside, random(seed))
    assert bool((where.amax((1, 2, 3)) > 0.5).all())
    assert float(where.max()) <= 1
    assert bool((where[inside == 0] == 0).all())


@pytest.mark.parametrize("way", RECOLOURED, ids=lambda way: way.__name__)
def test_each_colour_changes_light_and_stays_in_range(way) -> None:
    light = (beans() + 1) / 2
    spoiled = way(light, random())
    assert spoiled.shape == light.shape
    assert float(spoiled.min()) >= 0
    assert float(spoiled.max()) <= 1
    assert float((spoiled - light).abs().mean()) > 0.01


@pytest.mark.parametrize("kind", dict.fromkeys(KINDS), ids=lambda kind: kind.__name__)
def test_each_kind_of_defect_changes_the_subject(kind) -> None:
    images = beans()
    light = (images + 1) / 2
    spoiled = kind(Scene(light, light.roll(1, 0), subject(images)), random())
    assert spoiled.shape == light.shape
    assert float((spoiled.clamp(0, 1) - light).abs().mean()) > 0.0005


@given(st.integers(0, 2**32))
def test_where_is_told_exactly_where_something_changed(seed: int) -> None:
    images = beans()
    spoiled = spoil(images, random(seed))
    changed = (spoiled.images - images).abs().amax(1, keepdim=True) > 1e-5
    assert bool((spoiled.where[~changed] < 1e-4).all())
    assert bool((spoiled.where[(spoiled.images - images).abs().amax(1, keepdim=True) > 0.21] > 0.99).all())

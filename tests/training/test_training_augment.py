"""Augmentation moves and covers, keeps colours, and lets gradients through."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from cafepick.training.augment import augment, cover, mirror, shift

seeds = st.integers(0, 2**32)


def random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_images(count: int = 3, size: int = 21) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=random(1)) * 2 - 1


@given(st.integers(16, 70), st.integers(-9, 9), st.integers(-9, 9))
def test_a_shift_moves_right_and_down_by_whole_pixels_and_repeats_the_edge(size: int, right: int, down: int) -> None:
    images = some_images(2, size)
    moved = shift(images, torch.tensor([[right, down], [0, 0]]))
    places = torch.arange(size)
    rows, columns = (places - down).clamp(0, size - 1), (places - right).clamp(0, size - 1)
    assert torch.equal(moved[0], images[0][:, rows][:, :, columns])
    assert torch.equal(moved[1], images[1])


def test_a_covered_square_is_middle_grey_and_the_rest_stays() -> None:
    images = some_images(2)
    covered = cover(images, torch.tensor([[3, 5], [-4, 18]]), side=6)
    assert covered[0, :, 5:11, 3:9].abs().max() == 0
    assert covered[1, :, 18:, :2].abs().max() == 0
    assert int((covered != images).any(1)[0].sum()) == 36
    assert int((covered != images).any(1)[1].sum()) == 2 * 3


@given(seeds)
def test_augmented_images_hold_no_colour_that_was_not_there(seed: int) -> None:
    image = some_images(1)
    changed = augment(image, random(seed))
    known = {tuple(pixel) for pixel in image[0].flatten(1).T.tolist()} | {(0.0, 0.0, 0.0)}
    assert {tuple(pixel) for pixel in changed[0].flatten(1).T.tolist()} <= known


@given(seeds)
def test_the_same_random_state_gives_the_same_change(seed: int) -> None:
    assert torch.equal(augment(some_images(), random(seed)), augment(some_images(), random(seed)))


def test_each_image_changes_on_its_own() -> None:
    images = some_images(1).repeat(6, 1, 1, 1)
    changed = augment(images, random(0))
    assert len({image.numpy().tobytes() for image in changed}) == 6


def test_gradients_pass_to_what_is_seen_and_only_there() -> None:
    images = some_images(4).requires_grad_()
    augment(images, random(3)).sum().backward()
    assert images.grad is not None
    assert bool((images.grad >= 0).all())
    assert bool((images.grad == 0).any())
    assert bool((images.grad > 0).any())


def test_a_mirrored_image_is_flipped_left_to_right_or_left_alone() -> None:
    images = some_images(200, 4)
    changed = mirror(images, random(0))
    flipped = torch.tensor([torch.equal(new, old.flip(2)) for new, old in zip(changed, images, strict=True)])
    kept = torch.tensor([torch.equal(new, old) for new, old in zip(changed, images, strict=True)])
    assert bool((flipped ^ kept).all())
    assert 70 < int(flipped.sum()) < 130

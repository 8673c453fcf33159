"""Batches depend on the seed and the step alone, and every image comes equally often."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cafepick.errors import TrainingError
from cafepick.training.batches import Batches, random_of_step

counts, sizes = st.integers(1, 40), st.integers(2, 16)


def numbered(count: int) -> np.ndarray:
    """Images whose grey level is their number."""
    return np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 4, 4, 3)).copy()


@given(counts, sizes, st.integers(0, 9))
def test_each_epoch_holds_every_image_once(count: int, batch: int, seed: int) -> None:
    batches = Batches(numbered(count), batch, seed)
    steps = -(-3 * count // batch)
    order = np.concatenate([batches.indices(step) for step in range(1, steps + 1)])
    for epoch in range(3):
        assert sorted(order[epoch * count : (epoch + 1) * count]) == list(range(count))


@given(counts, sizes, st.integers(1, 1000))
def test_a_batch_is_always_full(count: int, batch: int, step: int) -> None:
    assert Batches(numbered(count), batch).at(step).shape == (batch, 3, 4, 4)


def test_the_order_is_known_without_going_through_the_steps_before() -> None:
    first, second = Batches(numbered(30), 8, seed=3), Batches(numbered(30), 8, seed=3)
    for step in range(1, 50):
        first.at(step)
    assert torch.equal(first.at(50), second.at(50))


def test_seeds_and_epochs_shuffle_differently() -> None:
    batches = Batches(numbered(40), 40)
    assert not np.array_equal(batches.indices(1), batches.indices(2))
    assert not np.array_equal(batches.indices(1), Batches(numbered(40), 40, seed=1).indices(1))


def test_pixels_lie_in_minus_one_to_one_channels_last() -> None:
    crops = np.zeros((2, 4, 4, 3), np.uint8)
    crops[1] = 255
    images = Batches(crops, 2).at(1)
    assert sorted({float(images.min()), float(images.max())}) == [-1.0, 1.0]
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_devices_share_a_batch_without_overlap() -> None:
    batches = Batches(numbered(40), 10)
    parts = [batches.at(3, rank=rank, world=2) for rank in range(2)]
    together = torch.stack(parts, dim=1).flatten(0, 1)
    assert torch.equal(together, batches.at(3))


def test_what_is_random_in_a_step_depends_on_seed_step_and_device() -> None:
    def first(*key: int, rank: int = 0) -> float:
        return float(torch.rand(1, generator=random_of_step(*key, rank=rank)))

    assert first(0, 7) == first(0, 7)
    assert len({first(0, 7), first(0, 8), first(1, 7), first(0, 7, rank=1)}) == 4


def test_golden_order() -> None:
    """Checkpoints of older versions go on in the same order."""
    assert Batches(numbered(10), 5, seed=0).indices(3).tolist() == [3, 6, 0, 2, 9]


def test_the_fingerprint_tells_images_and_order_apart() -> None:
    crops = numbered(3)
    changed = crops.copy()
    changed[2, 3, 3, 2] += 1
    prints = {Batches(images, 2).fingerprint() for images in (crops, changed, crops[::-1], crops.reshape(3, 2, 8, 3))}
    assert len(prints) == 4
    assert Batches(crops.copy(), 2).fingerprint() in prints


def test_no_images_are_an_error() -> None:
    with pytest.raises(TrainingError, match="needs good subjects, got none"):
        Batches(np.zeros((0, 4, 4, 3), np.uint8), 8)

"""Losses are those of the papers, and penalties are one per image."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cafepick.config import ModelConfig
from cafepick.models.build import build_discriminator
from cafepick.training.losses import LOSSES, gradient_penalty

logits = st.lists(st.floats(-20, 20), min_size=4, max_size=4).map(
    lambda values: torch.tensor(values, dtype=torch.float32)
)


@given(logits, logits)
def test_bce_is_the_cross_entropy_of_real_as_one_and_drawn_as_zero(real: torch.Tensor, drawn: torch.Tensor) -> None:
    cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits
    expected = cross_entropy(real, torch.ones(4)) + cross_entropy(drawn, torch.zeros(4))
    torch.testing.assert_close(LOSSES["bce"].discriminator(real, drawn), expected)
    torch.testing.assert_close(LOSSES["bce"].generator(real, drawn), cross_entropy(drawn, torch.ones(4)))


@given(logits, logits, st.floats(-10, 10))
def test_relativistic_losses_know_only_differences(real: torch.Tensor, drawn: torch.Tensor, offset: float) -> None:
    loss = LOSSES["relativistic"]
    for side in (loss.discriminator, loss.generator):
        torch.testing.assert_close(side(real + offset, drawn + offset), side(real, drawn), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(loss.discriminator(real, drawn), loss.generator(drawn, real))


@pytest.mark.parametrize("kind", LOSSES)
def test_undecided_logits_cost_log_2_a_side(kind: str) -> None:
    zeros = torch.zeros(3)
    assert float(LOSSES[kind].generator(zeros, zeros)) == pytest.approx(math.log(2))
    sides = {"bce": 2, "relativistic": 1}[kind]
    assert float(LOSSES[kind].discriminator(zeros, zeros)) == pytest.approx(sides * math.log(2))


def test_the_penalty_of_a_linear_discriminator_is_half_its_squared_slope() -> None:
    slope = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0))
    images = torch.rand(5, 3, 8, 8)
    penalty = gradient_penalty(lambda x: (x * slope).sum((1, 2, 3)), images)
    assert float(penalty) == pytest.approx(float(slope.square().sum()) / 2, rel=1e-5)


def test_the_penalty_of_a_batch_is_the_mean_of_the_penalties_of_its_images() -> None:
    torch.manual_seed(0)
    discriminator = build_discriminator(ModelConfig(size=16, width=4, batch_norm=False))
    images = torch.rand(4, 3, 16, 16) * 2 - 1
    alone = torch.stack([gradient_penalty(discriminator, image[None]) for image in images])
    torch.testing.assert_close(gradient_penalty(discriminator, images), alone.mean())


def test_the_penalty_teaches_the_weights() -> None:
    discriminator = build_discriminator(ModelConfig(size=16, width=4, batch_norm=False))
    gradient_penalty(discriminator, torch.rand(2, 3, 16, 16)).backward()
    assert all(block[0].weight.grad is not None for block in discriminator.blocks)

"""The packed step of latent search gives the score and the gradient that autograd gives in float32, nearly."""

from __future__ import annotations

from dataclasses import replace

import networks_to_pack
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from cafepick.config import ModelConfig
from cafepick.models.build import build_discriminator, build_generator
from cafepick.models.discriminator import Discriminator
from cafepick.models.generator import Generator
from cafepick.scoring.descent import Descent, pays
from cafepick.scoring.frozen import SLOTS, FrozenPair
from cafepick.scoring.packed import can_pack

pytestmark = pytest.mark.skipif(not can_pack(), reason="this torch has no packed convolutions")

WEIGHT = 0.3
SHAPES = [replace(model, width=8) for model in networks_to_pack.SHAPES]


def networks(model: ModelConfig) -> tuple[Generator, Discriminator]:
    """Untrained networks that draw with contrast, and whose batch norm has something to do."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pair = build_generator(model).eval(), build_discriminator(model).eval()
        networks_to_pack.shift_norms(*pair)
    return pair


def task(model: ModelConfig, discriminator: Discriminator) -> tuple[Tensor, Tensor, Tensor]:
    """Some z, images, and their features."""
    seeded = torch.Generator().manual_seed(1)
    z = torch.rand(SLOTS, model.latent, generator=seeded) * 2 - 1
    images = torch.rand(SLOTS, model.channels, model.size, model.size, generator=seeded) * 2 - 1
    with torch.no_grad():
        return z, images, discriminator.features(images)


@pytest.mark.parametrize("model", SHAPES, ids=lambda m: f"{m.size}-{m.channels}-{m.kernel}")
@pytest.mark.parametrize("weight", [0.0, WEIGHT, 1.0])
def test_score_and_gradient_are_those_of_autograd(model: ModelConfig, weight: float) -> None:
    pair = networks(model)
    asked = task(model, pair[1])
    full = FrozenPair.of(*pair, weight=weight)
    loss, gradient = full.loss_and_gradient(*asked)
    with torch.no_grad():
        found, slope = Descent(full.generator, full.discriminator, weight=weight)(*asked)
    assert found.dtype == slope.dtype == torch.float32
    torch.testing.assert_close(found, loss, rtol=0.02, atol=0)
    alike, off = (0.97, 0.06) if weight < 1 else (0.93, 0.3)  # features that hardly differ lose their sign by rounding
    assert cosine_similarity(slope, gradient).min() > alike
    torch.testing.assert_close(slope.norm(dim=1), gradient.norm(dim=1), rtol=off, atol=0)


def test_it_leads_as_far_down_as_autograd_under_autocast() -> None:
    pair = networks(SHAPES[1])
    z, *rest = task(SHAPES[1], pair[1])
    half = FrozenPair.of(*pair, weight=WEIGHT, precision="bfloat16")
    assert half.descent is not None
    plain = FrozenPair(half.generator, half.discriminator, WEIGHT, "bfloat16")
    fallen = []
    for way in (half, plain):
        at = z
        before, _ = way.loss_and_gradient(at, *rest)
        for _ in range(10):
            at = at - 0.02 * way.loss_and_gradient(at, *rest)[1].sign()
        fallen.append(before - way.loss_and_gradient(at, *rest)[0])
    assert (fallen[1] > 0).all()
    torch.testing.assert_close(*fallen, rtol=0.1, atol=0)


def test_it_is_used_where_it_pays() -> None:
    used = [FrozenPair.of(*networks(model), weight=WEIGHT, precision="bfloat16").descent for model in SHAPES]
    assert [one is not None for one in used] == [model.size % 2 == 0 for model in SHAPES]
    assert [pays(networks(model)[0]) for model in SHAPES] == [model.size % 2 == 0 for model in SHAPES]
    assert FrozenPair.of(*networks(SHAPES[0]), weight=WEIGHT).descent is None

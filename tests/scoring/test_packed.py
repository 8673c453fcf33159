"""The packed networks compute what the modules compute, up to the rounding of bfloat16."""

from __future__ import annotations

import pytest
import torch
from networks_to_pack import SHAPES, shift_norms
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d, interpolate, pixel_shuffle

from cafepick.config import ModelConfig
from cafepick.models.build import build_comparison, build_discriminator, build_encoder, build_generator
from cafepick.scoring import fast
from cafepick.scoring.fast import Restoring, look_once
from cafepick.scoring.packed import (
    PackedComparison,
    PackedDiscriminator,
    PackedEncoder,
    PackedGenerator,
    blocks_of,
    blocks_of_enlarged,
    blocks_of_transposed,
    can_pack,
    pairs_of,
    unblocked,
    unpaired,
)

pytestmark = pytest.mark.skipif(not can_pack(), reason="this torch has no packed convolutions")


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def networks(model: ModelConfig) -> Restoring:
    """Untrained networks whose batch norm has something to do."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        parts = (build_encoder(model), build_generator(model), build_comparison(model, width=8))
        discriminator = build_discriminator(model)
        shift_norms(*parts, discriminator)
    return Restoring.of(*parts, discriminator)


def images_for(model: ModelConfig, count: int = 3) -> Tensor:
    images = torch.rand(count, model.channels, model.size, model.size, generator=seeded(1)) * 2 - 1
    return images.contiguous(memory_format=torch.channels_last)


def assert_alike(found: Tensor, expected: Tensor) -> None:
    """bfloat16 keeps 8 bits, and a few layers add their roundings up."""
    assert found.shape == expected.shape
    spread = float(expected.std()) if expected.numel() > 1 else float(expected.abs())
    assert spread > 1e-4, "nothing to compare"
    off = (found.float() - expected).abs()
    assert float(off.mean()) < 0.04 * spread
    assert float(off.max()) < 0.12 * max(spread, float((expected - expected.mean()).abs().max()))


@pytest.mark.parametrize("model", SHAPES, ids=lambda m: f"{m.size}-{m.channels}-{m.kernel}")
@torch.inference_mode()
def test_each_network_agrees_with_its_module(model: ModelConfig) -> None:
    own = networks(model)
    images = images_for(model)
    half = images.bfloat16()
    z = own.encoder(images)
    assert_alike(PackedEncoder(own.encoder)(half), z)
    drawn = own.decoder(z)
    assert_alike(PackedGenerator(own.decoder)(z), drawn)
    seen, seen_drawn = own.discriminator.maps(images), own.discriminator.maps(drawn)
    for found, expected in zip(PackedDiscriminator(own.discriminator)(half), seen, strict=True):
        assert_alike(found, expected)
    expected = own.comparison(images, drawn, seen, seen_drawn)
    halves = [[level.bfloat16() for level in levels] for levels in (seen, seen_drawn)]
    found = PackedComparison(own.comparison)(half, drawn.bfloat16(), *halves)
    assert_alike(found.map_logits, expected.map_logits)
    assert_alike(found.logit, expected.logit)


def test_one_pass_agrees_with_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    model = SHAPES[0]
    images = images_for(model, 20)
    packed = look_once(networks(model), images, precision="bfloat16")
    monkeypatch.setattr(fast, "can_pack", lambda: False)
    plain = look_once(networks(model), images, precision="bfloat16")
    assert not torch.equal(packed.residual, plain.residual), "both ways are the same"
    for name in ("reconstruction", "map"):
        assert_alike(getattr(packed, name), getattr(plain, name))
    torch.testing.assert_close(packed.residual, plain.residual, rtol=0.01, atol=0)
    torch.testing.assert_close(packed.discrimination, plain.discrimination, rtol=0.03, atol=0)


@pytest.mark.parametrize(("kernel", "padding", "stride"), [(3, 1, 1), (3, 1, 2), (4, 1, 2), (5, 2, 2)])
def test_pairs_of_a_convolution(kernel: int, padding: int, stride: int) -> None:
    x, weight = torch.rand(2, 3, 8, 8, generator=seeded(2)), torch.rand(5, 3, kernel, kernel, generator=seeded(3))
    pairs = conv2d(x, pairs_of(weight, stride), stride=(stride, 2 * stride), padding=padding)
    torch.testing.assert_close(unpaired(pairs), conv2d(x, weight, stride=stride, padding=padding))


def test_pairs_in_channels_last_memory_are_not_moved() -> None:
    x = torch.rand(2, 16, 4, 4, generator=seeded(2)).contiguous(memory_format=torch.channels_last)
    found = unpaired(x)
    assert found.data_ptr() == x.data_ptr()
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_blocks_of_a_convolution() -> None:
    x, weight = torch.rand(2, 3, 8, 8, generator=seeded(2)), torch.rand(5, 3, 3, 3, generator=seeded(3))
    blocks = conv2d(x, blocks_of(weight), stride=2, padding=1)
    torch.testing.assert_close(unblocked(blocks), conv2d(x, weight, padding=1))


def test_blocks_of_a_convolution_of_an_enlarged_image() -> None:
    x, weight = torch.rand(2, 3, 4, 4, generator=seeded(2)), torch.rand(5, 3, 3, 3, generator=seeded(3))
    enlarged = interpolate(x, scale_factor=2, mode="nearest")
    blocks = conv2d(x, blocks_of_enlarged(weight), padding=1)
    torch.testing.assert_close(unblocked(blocks), conv2d(enlarged, weight, padding=1))


@pytest.mark.parametrize(("kernel", "padding", "surplus"), [(3, 1, 1), (4, 1, 0), (5, 2, 1)])
def test_blocks_of_a_transposed_convolution(kernel: int, padding: int, surplus: int) -> None:
    x, weight = torch.rand(2, 3, 4, 4, generator=seeded(2)), torch.rand(3, 5, kernel, kernel, generator=seeded(3))
    blocks = conv2d(x, blocks_of_transposed(weight, padding), padding=1)
    whole = conv_transpose2d(x, weight, stride=2, padding=padding, output_padding=surplus)
    torch.testing.assert_close(unblocked(blocks), whole)


def test_blocks_lie_as_pixel_shuffle_lays_them() -> None:
    x = torch.rand(2, 12, 4, 4, generator=seeded(2))
    theirs = x.unflatten(1, (4, 3)).transpose(1, 2).flatten(1, 2)  # pixel_shuffle counts the place in the block last
    torch.testing.assert_close(unblocked(x), pixel_shuffle(theirs, 2))

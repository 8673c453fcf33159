"""Generator and discriminator: any size fits exactly, and the networks stay the ones that artefacts were made with."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from cafepick.config import ModelConfig
from cafepick.models.build import build_discriminator, build_generator
from cafepick.models.layers import halvings

configs = st.builds(
    ModelConfig,
    size=st.integers(16, 256),
    channels=st.sampled_from([1, 3]),
    latent=st.integers(1, 8),
    width=st.integers(1, 3),
    kernel=st.sampled_from([3, 4, 5]),
    batch_norm=st.booleans(),
)


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@given(configs)
def test_images_have_exactly_the_size_asked_for(config: ModelConfig) -> None:
    z = torch.rand(2, config.latent) * 2 - 1
    images = build_generator(config)(z)
    assert images.shape == (2, config.channels, config.size, config.size)
    assert images.abs().max() <= 1


@given(configs)
@settings(max_examples=30)
def test_the_discriminator_takes_what_the_generator_draws(config: ModelConfig) -> None:
    discriminator = build_discriminator(config)
    images = torch.rand(2, config.channels, config.size, config.size) * 2 - 1
    assert discriminator(images).shape == (2,)
    assert torch.equal(discriminator.logit(discriminator.features(images)).squeeze(1), discriminator(images))


def test_sides_are_halved_upwards() -> None:
    assert halvings(28) == [28, 14, 7, 4, 2]
    assert halvings(64) == [64, 32, 16, 8, 4]
    assert halvings(128)[-1] == 8


def test_the_default_networks_are_those_of_dcgan() -> None:
    config = ModelConfig(width=64, kernel=5)
    assert parameters(build_generator(config)) == 5_126_723
    assert parameters(build_discriminator(config)) == 4_315_649
    widths = [block[0].out_channels for block in build_discriminator(config).blocks]
    assert widths == [64, 128, 256, 512]


def test_weights_begin_as_in_dcgan() -> None:
    torch.manual_seed(0)
    generator = build_generator(ModelConfig(width=32))
    assert float(generator.project.weight.detach().std()) == pytest.approx(0.02, rel=0.02)
    assert float(generator.norm.weight.detach().mean()) == pytest.approx(1.0, abs=0.01)
    assert float(generator.to_image.bias.detach().abs().max()) == 0


def test_without_batch_norm_a_signal_neither_fades_nor_grows_in_the_first_step() -> None:
    torch.manual_seed(0)
    discriminator = build_discriminator(ModelConfig(width=16, kernel=4, batch_norm=False))
    with torch.no_grad():
        features = discriminator.features(torch.randn(16, 3, 64, 64))
    assert 0.5 < float(features.square().mean()) < 2


@pytest.mark.parametrize("batch_norm", [True, False])
def test_in_eval_mode_no_image_depends_on_its_neighbours(batch_norm: bool) -> None:
    torch.manual_seed(0)
    config = ModelConfig(size=32, width=8, batch_norm=batch_norm)
    generator, discriminator = build_generator(config).eval(), build_discriminator(config).eval()
    z = torch.rand(8, config.latent) * 2 - 1
    with torch.no_grad():
        together = generator(z)
        alone = generator(z[3:4])
        torch.testing.assert_close(together[3:4], alone, rtol=0, atol=1e-5)
        torch.testing.assert_close(discriminator(together)[3:4], discriminator(alone), rtol=0, atol=1e-4)


def test_without_batch_norm_the_discriminator_judges_each_image_alone_while_training() -> None:
    torch.manual_seed(0)
    discriminator = build_discriminator(ModelConfig(size=32, width=8, batch_norm=False)).train()
    images = torch.rand(8, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(discriminator(images)[:1], discriminator(images[:1]), rtol=0, atol=1e-5)


def test_golden_numbers() -> None:
    """The same seed gives the same network: artefacts and checkpoints rely on layer order and names."""
    torch.manual_seed(0)
    config = ModelConfig(size=28, channels=1, latent=5, width=4, kernel=5)
    generator, discriminator = build_generator(config).eval(), build_discriminator(config).eval()
    with torch.no_grad():
        images = 1e3 * generator(torch.linspace(-1, 1, 10).reshape(2, 5))
        features = 1e3 * discriminator.features(torch.linspace(-1, 1, 28 * 28).reshape(1, 1, 28, 28))
    assert float(images.abs().sum()) == pytest.approx(4.03116, rel=1e-4)
    assert float(features.abs().sum()) == pytest.approx(22.4842, rel=1e-4)
    assert list(generator.state_dict())[:3] == ["project.weight", "norm.weight", "norm.bias"]


def test_a_misshapen_latent_is_named_by_the_shape_check() -> None:
    generator = build_generator(ModelConfig(size=16, width=1))
    with pytest.raises(TypeCheckError, match="parameter 'z'"):
        generator(torch.zeros(2, 3, 4))

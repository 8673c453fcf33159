"""Encoder and comparison fit the generator and discriminator of any model, and treat every image by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from cafepick.config import ModelConfig
from cafepick.models.build import build_comparison, build_discriminator, build_encoder, build_generator
from cafepick.models.comparison import Compared

configs = st.builds(
    ModelConfig,
    size=st.integers(16, 130),
    channels=st.sampled_from([1, 3]),
    latent=st.integers(1, 8),
    width=st.integers(1, 3),
    kernel=st.sampled_from([3, 4, 5]),
    batch_norm=st.booleans(),
)
SMALL = ModelConfig(size=28, channels=1, latent=5, width=4, kernel=4, batch_norm=False)


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_trained() -> Iterator[None]:
    with torch.no_grad():
        yield


def images(config: ModelConfig, count: int = 2) -> torch.Tensor:
    return torch.rand(count, config.channels, config.size, config.size) * 2 - 1


def compare(config: ModelConfig, width: int, ours: torch.Tensor, theirs: torch.Tensor) -> Compared:
    torch.manual_seed(0)
    discriminator, head = build_discriminator(config).eval(), build_comparison(config, width=width)
    return head(ours, theirs, discriminator.maps(ours), discriminator.maps(theirs))


@given(configs)
@settings(max_examples=40)
def test_the_generator_draws_what_the_encoder_finds(config: ModelConfig) -> None:
    z = build_encoder(config)(images(config))
    assert z.shape == (2, config.latent)
    assert float(z.abs().max()) < 1
    assert build_generator(config)(z).shape == (2, config.channels, config.size, config.size)


@given(configs, st.integers(1, 9))
@settings(max_examples=40)
def test_the_comparison_gives_a_map_of_the_images_size(config: ModelConfig, width: int) -> None:
    compared = compare(config, width, images(config), images(config))
    assert compared.map.shape == (2, 1, config.size, config.size)
    assert compared.logit.shape == (2,)
    assert 0 <= float(compared.map.min()) <= float(compared.map.max()) <= 1


def test_a_new_encoder_begins_in_the_middle_of_the_prior() -> None:
    torch.manual_seed(0)
    z = build_encoder(ModelConfig(width=16))(images(ModelConfig(), 8))
    assert float(z.abs().mean()) < 0.3  # at the ends of tanh nothing would be learnt


def test_no_image_sees_its_neighbours_even_while_training() -> None:
    torch.manual_seed(1)
    encoder, three = build_encoder(SMALL).train(), images(SMALL, 3)
    torch.testing.assert_close(encoder(three)[:1], encoder(three[:1]))
    together, alone = (compare(SMALL, 8, some, some.flip(2)) for some in (three, three[:1]))
    torch.testing.assert_close(together.map[:1], alone.map)
    torch.testing.assert_close(together.logit[:1], alone.logit)


def test_a_new_comparison_expects_few_spoiled_pixels() -> None:
    same = images(SMALL)
    assert float(compare(SMALL, 16, same, same).map.mean()) < 0.3


def test_the_discriminators_maps_end_in_its_features() -> None:
    discriminator, some = build_discriminator(SMALL).eval(), images(SMALL)
    maps = discriminator.maps(some)
    assert [tuple(seen.shape[1:]) for seen in maps] == [(4, 14, 14), (8, 7, 7), (16, 3, 3), (32, 1, 1)]
    assert torch.equal(maps[-1].flatten(1), discriminator.features(some))


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(TypeCheckError):
        compare(SMALL, 8, images(SMALL), torch.rand(2, 1, 29, 28))

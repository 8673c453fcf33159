"""From config to networks: the only place where the two meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cafepick.models.comparison import ComparisonHead
from cafepick.models.discriminator import Discriminator
from cafepick.models.encoder import Encoder
from cafepick.models.generator import Generator

if TYPE_CHECKING:
    from cafepick.config import ModelConfig


def build_generator(config: ModelConfig) -> Generator:
    """Return a new generator; its weights are drawn from torch's global random state."""
    return Generator(
        size=config.size,
        channels=config.channels,
        latent=config.latent,
        width=config.width,
        kernel=config.kernel,
    )


def build_discriminator(config: ModelConfig) -> Discriminator:
    """Return a new discriminator; its weights are drawn from torch's global random state."""
    return Discriminator(
        size=config.size,
        channels=config.channels,
        width=config.width,
        kernel=config.kernel,
        batch_norm=config.batch_norm,
    )


def build_encoder(config: ModelConfig) -> Encoder:
    """Return a new encoder; its weights are drawn from torch's global random state."""
    return Encoder(
        size=config.size,
        channels=config.channels,
        latent=config.latent,
        width=config.width,
        kernel=config.kernel,
    )


def build_comparison(config: ModelConfig, *, width: int) -> ComparisonHead:
    """Return a new comparison head of this width; its weights are drawn from torch's global random state."""
    return ComparisonHead(
        size=config.size,
        channels=config.channels,
        width=width,
        kernel=config.kernel,
        maps=[config.width * 2**depth for depth in range(4)],
    )

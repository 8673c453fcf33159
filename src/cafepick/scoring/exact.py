"""The reference way to score: the networks of a trained model, and a latent search for each image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from cafepick.errors import ArtefactError, ConfigError
from cafepick.images import to_float, to_uint8
from cafepick.models.build import build_discriminator, build_generator
from cafepick.models.device import place_named
from cafepick.scoring.residual import anomaly_maps
from cafepick.scoring.search import search_latent
from cafepick.types import Scored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from cafepick.config import ModelConfig, SearchConfig
    from cafepick.models.discriminator import Discriminator
    from cafepick.models.generator import Generator


@dataclass(frozen=True, eq=False)
class Networks:
    """Generator and discriminator of one trained model, on one device."""

    config: ModelConfig
    generator: Generator
    discriminator: Discriminator
    device: torch.device

    @classmethod
    def from_tensors(
        cls, config: ModelConfig, tensors: Mapping[str, NDArray[np.generic]], *, device: str = "auto"
    ) -> Networks:
        """Build the networks from named arrays, as ``to_tensors`` gives them.

        Raises:
            ArtefactError: an array is missing, left over or has another shape than ``config`` says.
            ConfigError: there is no such device here.
        """
        place = pick_device(device)
        generator, discriminator = build_generator(config), build_discriminator(config)
        _fill(generator, tensors, "generator.")
        _fill(discriminator, tensors, "discriminator.")
        return cls(config, generator.to(place).eval(), discriminator.to(place).eval(), place)

    @classmethod
    def of(cls, config: ModelConfig, generator: Generator, discriminator: Discriminator) -> Networks:
        """Return trained networks, where they are."""
        return cls(config, generator.eval(), discriminator.eval(), next(generator.parameters()).device)

    def to_tensors(self) -> dict[str, NDArray[np.generic]]:
        """Return all weights as named arrays."""
        parts = {"generator": self.generator, "discriminator": self.discriminator}
        return {
            f"{part}.{name}": tensor.detach().cpu().numpy()
            for part, network in parts.items()
            for name, tensor in network.state_dict().items()
        }

    @torch.no_grad()
    def draw(self, count: int, *, seed: int = 0) -> NDArray[np.uint8]:
        """Draw what the model takes for good: (count, size, size, c) from z uniform in [-1, 1]."""
        z = torch.rand(count, self.config.latent, generator=torch.Generator().manual_seed(seed)) * 2 - 1
        return to_uint8(self.generator(z.to(self.device)).permute(0, 2, 3, 1).cpu().numpy())

    def score(
        self,
        images: NDArray[np.uint8],
        search: SearchConfig,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> Scored:
        """Search the closest good image of each of ``images`` (n, size, size, c), and score what differs."""
        pixels = torch.from_numpy(to_float(images)).permute(0, 3, 1, 2).to(self.device)  # (n, c, size, size)
        found = search_latent(self.generator, self.discriminator, pixels, search, on_progress=progress)
        closest = found.reconstruction.permute(0, 2, 3, 1).cpu().numpy()
        return Scored(
            residual=_numbers(found.residual),
            discrimination=_numbers(found.discrimination),
            score=_numbers(found.score),
            reconstructions=to_uint8(closest),
            maps=anomaly_maps(to_float(images), closest),
        )


def pick_device(name: str) -> torch.device:
    """Return the torch device called so, see ``models.device``.

    Raises:
        ConfigError: the name is unknown, or means several devices, or there is no such GPU.
    """
    place = place_named(name)
    if place.count > 1:
        raise ConfigError(f"--device {name} names {place.count} GPUs, but beans are judged on one: use cuda or cuda:N")
    return torch.device(place.kind) if place.index is None else torch.device(place.kind, place.index)


def _fill(network: nn.Module, tensors: Mapping[str, NDArray[np.generic]], prefix: str) -> None:
    state = {
        name.removeprefix(prefix): torch.from_numpy(np.array(array))
        for name, array in tensors.items()
        if name.startswith(prefix)
    }
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ArtefactError(f"the weights do not fit the model that the header describes: {error}") from error


def _numbers(values: Tensor) -> NDArray[np.float64]:
    return values.double().cpu().numpy()

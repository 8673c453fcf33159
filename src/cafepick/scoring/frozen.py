"""Generator and discriminator as latent search needs them: frozen, and always run on the same number of images."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cafepick.scoring.descent import Descent, pays

if TYPE_CHECKING:
    from cafepick.models.discriminator import Discriminator
    from cafepick.models.generator import Generator

Network = TypeVar("Network", bound=nn.Module)

SLOTS: Final = 8
"""Images that a network sees in one pass, always: 16 would use a core 15 % better, but keep a single bean waiting."""

Precision = Literal["float32", "bfloat16"]


class Drawn(NamedTuple):
    """What some z draw, compared with the images they are meant for."""

    images: Float[Tensor, "n c h w"]
    """G(z), in [-1, 1]."""
    residual: Float[Tensor, " n"]
    discrimination: Float[Tensor, " n"]


@dataclass(frozen=True, eq=False)
class FrozenPair:
    """Copies of both networks that nothing trains: batch norm by running statistics, no gradient kept for weights."""

    generator: Generator
    discriminator: Discriminator
    weight: float
    """Lambda: share of the discrimination loss in the anomaly score."""
    precision: Precision
    """Of ``loss_and_gradient``; all else is computed in float32."""
    descent: Descent | None = None
    """What computes that in bfloat16, where this is quicker than autograd."""

    @classmethod
    def of(
        cls, generator: Generator, discriminator: Discriminator, *, weight: float, precision: Precision = "float32"
    ) -> FrozenPair:
        """Copy the networks, which stay as they are."""
        own, opponent = frozen_copy(generator), frozen_copy(discriminator)
        descent = Descent(own, opponent, weight=weight) if precision == "bfloat16" and pays(own) else None
        return cls(own, opponent, weight, precision, descent)

    def score(self, residual: Float[Tensor, "*n"], discrimination: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """Return the anomaly score, Schlegl et al. 2017, eq. 6."""
        return (1 - self.weight) * residual + self.weight * discrimination

    def loss_and_gradient(
        self,
        z: Float[Tensor, "slots latent"],
        images: Float[Tensor, "slots c h w"],
        features: Float[Tensor, "slots f"],
    ) -> tuple[Float[Tensor, " slots"], Float[Tensor, "slots latent"]]:
        """Return the anomaly score of each z for its image, and the gradient of each score by its own z."""
        if self.descent is not None:
            with torch.no_grad():
                return self.descent(z, images, features)
        z = z.detach().requires_grad_()
        half = self.precision == "bfloat16"
        with torch.autocast(z.device.type, torch.bfloat16, enabled=half):
            drawn = self.generator(z)
            drawn_features = self.discriminator.features(drawn)
        loss = self.score(distance(images, drawn.float()), distance(features, drawn_features.float()))
        (gradient,) = torch.autograd.grad(loss.sum(), z)  # the sum parts again: each z meets one summand only
        return loss.detach(), gradient

    @torch.no_grad()
    def features(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        """Return f(x), the last hidden layer of the discriminator."""
        return torch.cat([self.discriminator.features(part) for part in _passes(images)])[: len(images)]

    @torch.no_grad()
    def draw(self, z: Float[Tensor, "n latent"]) -> Float[Tensor, "n c h w"]:
        """Return G(z)."""
        return torch.cat([self.generator(part) for part in _passes(z)])[: len(z)]

    @torch.no_grad()
    def compare(
        self, z: Float[Tensor, "n latent"], images: Float[Tensor, "n c h w"], features: Float[Tensor, "n f"]
    ) -> Drawn:
        """Draw z and measure how far each drawing lies from its image, in float32."""
        passes = zip(_passes(z), _passes(images), _passes(features), strict=True)
        parts = [self._compare(*part) for part in passes]
        images, residual, discrimination = (torch.cat(column)[: len(z)] for column in zip(*parts, strict=True))
        return Drawn(images, residual, discrimination)

    def _compare(self, z: Tensor, images: Tensor, features: Tensor) -> Drawn:
        drawn = self.generator(z)
        return Drawn(drawn, distance(images, drawn), distance(features, self.discriminator.features(drawn)))


def distance(a: Float[Tensor, "n ..."], b: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
    """Return the L1 distance of each pair: eq. 3 for pixels, eq. 5 for features."""
    return (a - b).abs().flatten(1).sum(dim=1)


def frozen_copy(network: Network) -> Network:
    """Copy a network that nothing trains, its weights laid out for images in channels-last order."""
    plain = copy.deepcopy(network).eval().requires_grad_(False)
    return plain.to(memory_format=torch.channels_last)  # type: ignore[call-overload] - missing in the stub


def laid_out(rows: Tensor) -> Tensor:
    """Return rows as networks read them the quickest: images in channels-last order."""
    return rows.contiguous(memory_format=torch.channels_last if rows.ndim == 4 else torch.contiguous_format)


def _passes(rows: Tensor) -> list[Tensor]:
    """Split into parts of ``SLOTS`` rows, at least one part; zeros fill up the last."""
    missing = -len(rows) % SLOTS if len(rows) else SLOTS
    padded = torch.cat([rows, rows.new_zeros(missing, *rows.shape[1:])])
    return list(laid_out(padded).split(SLOTS))

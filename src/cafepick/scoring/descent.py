"""The score of latent search and its gradient by z, in bfloat16: both networks forwards, then backwards, packed.

Autograd would put the weights of each layer in the order of its kernels in every step, twice; packed they are put so
once (``packed``). Backwards, a convolution is a transposed one with the same weights, and the other way round; what
lies between them is derived here by hand. Sums over pixels and features are float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear

from cafepick.scoring.packed import (
    HALF,
    SLOPE,
    Layer,
    PackedDiscriminator,
    PackedGenerator,
    ToPixels,
    can_pack,
    doubles,
    layers_of,
)

if TYPE_CHECKING:
    from cafepick.models.discriminator import Discriminator
    from cafepick.models.generator import Generator


class Descent(nn.Module):
    """Generator and discriminator, packed for both ways.

    Args:
        generator: frozen.
        discriminator: frozen.
        weight: lambda, share of the discrimination loss in the anomaly score.
    """

    to_z: Tensor
    """From the gradient by what z is projected to, to that by z."""

    def __init__(self, generator: Generator, discriminator: Discriminator, *, weight: float) -> None:
        super().__init__()
        self.generator, self.discriminator = PackedGenerator(generator), PackedDiscriminator(discriminator)
        self.weight = weight
        with torch.no_grad():
            image = self.generator(torch.zeros(1, generator.latent))
            sides = [maps.shape[-1] for maps in (image, *self.discriminator(image.to(HALF)))]
        first, *others = layers_of(discriminator)
        # Each takes the gradient to what a layer was given: maps that the discriminator saw, the image, maps drawn, z.
        self.to_seen = nn.ModuleList(
            Layer.backwards(block[0], block[1], side=side) for block, side in zip(others, sides[1:-1], strict=True)
        )
        self.to_image = ToPixels.backwards(first[0], side=sides[0])
        self.to_last_drawn = Layer.backwards(generator.to_image, side=None)
        self.to_drawn = nn.ModuleList(Layer.backwards(block[0], block[1], side=None) for block in layers_of(generator))
        self.register_buffer("to_z", self.generator.weight.T.contiguous())

    def forward(
        self,
        z: Float[Tensor, "n latent"],
        images: Float[Tensor, "n c size size"],
        features: Float[Tensor, "n f"],
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n latent"]]:
        """Return the anomaly score of each z for its image, and the gradient of each score by its own z.

        Args:
            z: in [-1, 1].
            images: pixels in [-1, 1].
            features: f(x) of the images.
        """
        drawn = self.generator.maps(z)
        likeness = self.generator.draw(drawn[-1])
        seen = self.discriminator(likeness.to(HALF))
        residual = likeness - images
        difference = seen[-1].float() - features.unflatten(1, seen[-1].shape[1:])
        loss = (1 - self.weight) * _length(residual) + self.weight * _length(difference)

        gradient = (self.weight * difference.sign()).to(HALF)
        for back, maps in zip(reversed(self.to_seen), reversed(seen[1:]), strict=True):
            gradient = back(_through_leaky_relu(gradient, maps))
        gradient = self.to_image(_through_leaky_relu(gradient, seen[0]))
        gradient = (gradient + (1 - self.weight) * residual.sign()) * (1 - likeness**2)  # through tanh
        gradient = self.to_last_drawn(gradient.to(HALF))
        for back, maps in zip(reversed(self.to_drawn), reversed(drawn[1:]), strict=True):
            gradient = back(_through_relu(gradient, maps))
        gradient = _through_relu(gradient, drawn[0]).permute(0, 2, 3, 1).flatten(1)  # as the projection lies in memory
        return loss, linear(gradient, self.to_z).float()


def pays(generator: Generator) -> bool:
    """Return whether a ``Descent`` is there and quicker than autograd: where the side of an image is odd, it is not."""
    return can_pack() and generator.to_image.weight.device.type == "cpu" and doubles(generator.to_image)


def _length(of: Tensor) -> Tensor:
    return of.abs().flatten(1).sum(dim=1)


def _through_relu(gradient: Tensor, result: Tensor) -> Tensor:
    return torch.ops.aten.threshold_backward(gradient, result, 0)


def _through_leaky_relu(gradient: Tensor, result: Tensor) -> Tensor:
    return torch.ops.aten.leaky_relu_backward(gradient, result, SLOPE, True)

"""The encoder: from an image to the z whose drawing is closest to it, in one pass."""

from __future__ import annotations

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from cafepick.models.layers import halved, halving, init_he


class Encoder(nn.Module):
    """The discriminator's mirror image (Schlegl et al., f-AnoGAN, 2019): four stride-2 convolutions, then z.

    No layer normalises over a batch, so that an image's z does not depend on its neighbours.

    Args:
        size: side of the images in pixels.
        channels: 1 (grey) or 3 (RGB).
        latent: length of z.
        width: channels of the first map; doubles with each convolution.
        kernel: side of the convolutions.
    """

    def __init__(self, *, size: int, channels: int, latent: int, width: int, kernel: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        widths = [channels, width, 2 * width, 4 * width, 8 * width]
        for w_in, w_out in pairwise(widths):
            self.blocks.append(nn.Sequential(halving(w_in, w_out, kernel=kernel, bias=True), nn.LeakyReLU(0.2)))
            size = halved(size, kernel=kernel)
        self.to_z = nn.Linear(widths[-1] * size**2, latent)
        self.apply(init_he)
        nn.init.normal_(self.to_z.weight, std=0.1 / self.to_z.in_features**0.5)  # begins in the middle, not at the ends

    def forward(self, x: Float[Tensor, "b c size size"]) -> Float[Tensor, "b latent"]:
        """Return z in [-1, 1], where the generator was trained. Pixels lie in [-1, 1]."""
        for block in self.blocks:  # each halves height and width
            x = block(x)
        return self.to_z(x.flatten(1)).tanh()

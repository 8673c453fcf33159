"""The generator: from a latent vector to an image of a good subject."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cafepick.models.layers import doubling, halvings, init_dcgan


class Generator(nn.Module):
    """DCGAN's generator (Radford et al., arXiv 1511.06434) for square images of any size.

    A projection to the smallest map, then four stride-2 transposed convolutions. Batch norm and ReLU follow every layer
    but the last. In ``eval`` mode batch norm uses its running statistics, so that no image depends on its neighbours.

    Args:
        size: side of the images in pixels; 64 grows as 4, 8, 16, 32, 64, and 28 as 2, 4, 7, 14, 28.
        channels: 1 (grey) or 3 (RGB).
        latent: length of z.
        width: channels of the map next to the image; the smallest map has eight times as many.
        kernel: side of the transposed convolutions.
    """

    def __init__(self, *, size: int, channels: int, latent: int, width: int, kernel: int) -> None:
        super().__init__()
        self.latent = latent
        *sides, self.base = halvings(size)
        widths = [8 * width, 4 * width, 2 * width, width]
        self.project = nn.Linear(latent, widths[0] * self.base**2, bias=False)
        self.norm = nn.BatchNorm2d(widths[0])
        self.blocks = nn.ModuleList(
            nn.Sequential(doubling(w_in, w_out, kernel=kernel, side=side, bias=False), nn.BatchNorm2d(w_out), nn.ReLU())
            for w_in, w_out, side in zip(widths[:-1], widths[1:], sides[:0:-1], strict=True)
        )
        self.to_image = doubling(width, channels, kernel=kernel, side=size, bias=True)
        self.apply(init_dcgan)

    def forward(self, z: Float[Tensor, "b latent"]) -> Float[Tensor, "b c size size"]:
        """Draw one image a row of ``z``, whose values lie in [-1, 1]; pixels lie in [-1, 1]."""
        x = self.project(z).unflatten(1, (-1, self.base, self.base))  # (b, 8 width, base, base)
        x = torch.relu(self.norm(x))
        for block in self.blocks:  # each doubles height and width and halves the channels
            x = block(x)
        return self.to_image(x).tanh()

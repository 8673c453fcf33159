"""The discriminator: is this image a good subject, and by which features?"""

from __future__ import annotations

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from cafepick.models.layers import halved, halving, init_dcgan, init_he


class Discriminator(nn.Module):
    """DCGAN's discriminator (Radford et al., arXiv 1511.06434): four stride-2 convolutions and one linear unit.

    Args:
        size: side of the images in pixels.
        channels: 1 (grey) or 3 (RGB).
        width: channels of the first map; doubles with each convolution.
        kernel: side of the convolutions.
        batch_norm: normalise after all but the first convolution, as DCGAN does. Without it no image sees its
            neighbours even while training, so a gradient penalty is one per image.
    """

    def __init__(self, *, size: int, channels: int, width: int, kernel: int, batch_norm: bool) -> None:
        super().__init__()
        widths = [channels, width, 2 * width, 4 * width, 8 * width]
        self.blocks = nn.ModuleList()
        for depth, (w_in, w_out) in enumerate(pairwise(widths)):
            normed = batch_norm and depth > 0
            norm = nn.BatchNorm2d(w_out) if normed else nn.Identity()
            convolution = halving(w_in, w_out, kernel=kernel, bias=not normed)
            self.blocks.append(nn.Sequential(convolution, norm, nn.LeakyReLU(0.2)))
            size = halved(size, kernel=kernel)
        self.logit = nn.Linear(widths[-1] * size**2, 1)
        self.apply(init_dcgan if batch_norm else init_he)

    def features(self, x: Float[Tensor, "b c size size"]) -> Float[Tensor, "b n"]:
        """Return the last hidden layer, flattened: f(x) of Schlegl et al. 2017, eq. 5."""
        return self.maps(x)[-1].flatten(1)

    def maps(self, x: Float[Tensor, "b c size size"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Return what every block sees, finest first: (b, width, size / 2, size / 2), (b, 2 width, size / 4, ...)."""
        seen = []
        for block in self.blocks:  # each halves height and width
            x = block(x)
            seen.append(x)
        return seen

    def forward(self, x: Float[Tensor, "b c size size"]) -> Float[Tensor, " b"]:
        """Return logits: above 0 for what looks real. Pixels lie in [-1, 1]."""
        return self.logit(self.features(x)).squeeze(1)

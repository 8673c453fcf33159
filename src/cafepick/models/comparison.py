"""The learned comparison: what differs between a subject and its good likeness, and does it matter?"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from cafepick.models.layers import halved, halving, init_he

Images = Float[Tensor, "b c size size"]


class Compared(NamedTuple):
    """What the head says of each of b subjects."""

    map_logits: Float[Tensor, "b 1 size size"]
    """Above 0 where a pixel looks spoiled."""
    logit: Float[Tensor, " b"]
    """Above 0 where the whole subject looks spoiled."""

    @property
    def map(self) -> Float[Tensor, "b 1 size size"]:
        """The anomaly map, 0..1."""
        return self.map_logits.sigmoid()


class ComparisonHead(nn.Module):
    """A small U-Net over input, reconstruction and their difference, which meets the discriminator's maps on its way.

    The discriminative network of DRAEM (Zavrtanik et al., arXiv 2108.07610) on a fiftieth of its arithmetic: what
    both images mean, the discriminator has computed already, at each scale.

    Args:
        size: side of the images in pixels.
        channels: 1 (grey) or 3 (RGB).
        width: channels of the first map; doubles at the next two scales.
        kernel: side of the discriminator's convolutions, by which its maps have their sides.
        maps: channels of the discriminator's maps, finest first; the last is only pooled.
    """

    def __init__(self, *, size: int, channels: int, width: int, kernel: int, maps: list[int]) -> None:
        super().__init__()
        self.sides = [size]
        while len(self.sides) < len(maps):
            self.sides.append(halved(self.sides[-1], kernel=kernel))
        widths = [3 * channels, width, 2 * width, 4 * width]
        self.down = nn.ModuleList(halving(w_in, w_out, kernel=kernel, bias=True) for w_in, w_out in pairwise(widths))
        self.mix = nn.ModuleList(_conv(own + 2 * seen, own) for own, seen in zip(widths[1:], maps[:-1], strict=True))
        self.up = nn.ModuleList(_conv(below + own, own) for own, below in pairwise(widths[1:]))  # finest first
        self.fine = _conv(widths[1] + widths[0], max(width // 2, 4))
        self.to_map = nn.Conv2d(max(width // 2, 4), 1, 1, bias=False)
        self.rarity = nn.Parameter(torch.tensor(-3.0))  # the map's offset: few pixels are spoiled
        self.act = nn.LeakyReLU(0.2)
        self.hidden = nn.Linear(2 * widths[-1] + 2 * maps[-1], widths[-1])
        self.to_logit = nn.Linear(widths[-1], 1)
        self.apply(init_he)

    def forward(self, image: Images, likeness: Images, seen: list[Tensor], seen_likeness: list[Tensor]) -> Compared:
        """Compare images with their reconstructions, pixels in [-1, 1].

        Args:
            image: the subjects.
            likeness: their reconstructions.
            seen: the discriminator's maps of the subjects, finest first.
            seen_likeness: its maps of the reconstructions.
        """
        pixels = torch.cat([image, likeness, (image - likeness).abs()], 1)
        differences = [(a - b).abs() for a, b in zip(seen, seen_likeness, strict=True)]
        x, levels = pixels, []
        for down, mix, own, difference in zip(self.down, self.mix, seen, differences, strict=False):
            x = self.act(down(x))
            x = self.act(mix(torch.cat([x, own, difference], 1)))
            levels.append(x)  # (b, width 2^i, size / 2^(i+1), ...)
        pooled = self.act(self.hidden(torch.cat([*_pool(x), *_pool(differences[-1])], 1)))
        for up, level in zip(reversed(self.up), reversed(levels[:-1]), strict=True):
            x = self.act(up(torch.cat([_as_large(x, level), level], 1)))
        x = self.act(self.fine(torch.cat([_as_large(x, pixels), pixels], 1)))
        return Compared(self.to_map(x) + self.rarity, self.to_logit(pooled).squeeze(1))


def _conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


def _as_large(x: Tensor, other: Tensor) -> Tensor:
    return interpolate(x, size=other.shape[-2:], mode="nearest")


def _pool(x: Float[Tensor, "b n h w"]) -> tuple[Tensor, Tensor]:
    return x.mean((2, 3)), x.amax((2, 3))

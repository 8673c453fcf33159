"""What generator and discriminator share: the arithmetic of sizes, and how weights begin."""

from __future__ import annotations

from typing import Final

from torch import nn

SCALES: Final = 4
"""Stride-2 convolutions between an image and the smallest feature map."""


def halvings(size: int) -> list[int]:
    """Sides of the feature maps, largest first, each half of the one before, rounded up: 28 -> [28, 14, 7, 4, 2]."""
    sides = [size]
    for _ in range(SCALES):
        sides.append(-(-sides[-1] // 2))
    return sides


def doubling(channels_in: int, channels_out: int, *, kernel: int, side: int, bias: bool) -> nn.ConvTranspose2d:
    """Return the stride-2 transposed convolution that makes maps of exactly ``side`` from ones of ``ceil(side / 2)``.

    A transposed convolution of n gives 2 (n - 1) - 2 padding + kernel + output_padding; odd sides need one pixel less.
    """
    surplus = kernel - 2 + side % 2
    padding = -(-surplus // 2)
    return nn.ConvTranspose2d(
        channels_in,
        channels_out,
        kernel,
        stride=2,
        padding=padding,
        output_padding=2 * padding - surplus,
        bias=bias,
    )


def halving(channels_in: int, channels_out: int, *, kernel: int, bias: bool) -> nn.Conv2d:
    """Return the stride-2 convolution that halves height and width (see ``halved`` for odd sides)."""
    return nn.Conv2d(channels_in, channels_out, kernel, stride=2, padding=(kernel - 1) // 2, bias=bias)


def halved(side: int, *, kernel: int) -> int:
    """Side of a map after ``halving``: odd sides round up, with an even kernel down."""
    return (side + 2 * ((kernel - 1) // 2) - kernel) // 2 + 1


def init_dcgan(module: nn.Module) -> None:
    """Begin as DCGAN does: weights from N(0, 0.02), scales of batch norm from N(1, 0.02), no offsets.

    Radford et al., arXiv 1511.06434, section 4. To be used as ``network.apply(init_dcgan)``.
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def init_he(module: nn.Module) -> None:
    """Begin with weights that keep the spread of the activations through leaky ReLUs of slope 0.2, and no offsets.

    He et al., arXiv 1502.01852, eq. 15. Without batch norm, weights from N(0, 0.02) shrink a signal some tenfold a
    layer, and the discriminator would teach nothing for hundreds of steps. To be used as ``network.apply(init_he)``.
    """
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, a=0.2)
        if module.bias is not None:
            nn.init.zeros_(module.bias)

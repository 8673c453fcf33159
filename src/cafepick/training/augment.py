"""Random changes that the discriminator sees, so that a few hundred images last for thousands of steps.

Zhao et al., arXiv 2006.10738 (DiffAugment): real and drawn images go through the same kind of change, and gradients
pass through it to the generator, which therefore does not learn to draw shifted or covered images. The paper's changes
of colour are left out: they would blind the discriminator to black and sour beans.

All randomness comes from the caller's generator, on the CPU, so that a step can be repeated on any device.
"""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor
from torch.nn.functional import grid_sample

Images = Float[Tensor, "b c size size"]

LARGEST_SHIFT: Final = 1 / 8
"""Images move by up to this share of their side, as in the paper."""
COVERED: Final = 1 / 2
"""Side of the covered square as a share of the image's side, as in the paper."""


def augment(images: Images, random: Generator) -> Images:
    """Shift each image by its own whole number of pixels, and cover a square of it."""
    count, _, size, _ = images.shape
    largest = int(size * LARGEST_SHIFT)
    shifts = torch.randint(-largest, largest + 1, (count, 2), generator=random)
    corners = torch.randint(0, size, (count, 2), generator=random) - int(size * COVERED) // 2
    return cover(shift(images, shifts), corners, side=int(size * COVERED))


def shift(images: Images, shifts: Int[Tensor, "b 2"]) -> Images:
    """Move each image by ``shifts`` (right, down) pixels; pixels of the edge are repeated where nothing was."""
    size = images.shape[-1]
    steps = torch.arange(size) * 2 + 1  # twice the pixel centres, for (2 i + 1) / size - 1 is a centre in [-1, 1]
    across, down = (((steps - 2 * shifts[:, axis, None]) / size - 1).to(images) for axis in (0, 1))  # (b, size) each
    grid = torch.stack(torch.broadcast_tensors(across[:, None, :], down[:, :, None]), dim=-1)  # (b, size, size, 2)
    return grid_sample(images, grid, mode="nearest", padding_mode="border", align_corners=False)


def cover(images: Images, corners: Int[Tensor, "b 2"], *, side: int) -> Images:
    """Set a square of each image to 0, middle grey; ``corners`` (left, top) may lie outside the image."""
    places = torch.arange(images.shape[-1])
    across, down = (_within(places, corners[:, axis, None], side) for axis in (0, 1))  # (b, size) each
    covered = (across[:, None, :] & down[:, :, None])[:, None].to(images.device)  # (b, 1, size, size)
    return images.masked_fill(covered, 0.0)


def mirror(images: Images, random: Generator) -> Images:
    """Mirror each image left-right with probability one half."""
    flipped = torch.rand(len(images), generator=random) < 0.5
    return torch.where(flipped[:, None, None, None].to(images.device), images.flip(3), images)


def _within(places: Int[Tensor, " size"], start: Int[Tensor, "b 1"], length: int) -> Bool[Tensor, "b size"]:
    return (places >= start) & (places < start + length)

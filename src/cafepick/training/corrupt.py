"""Made-up defects, shown to the discriminator as images that are not real.

A discriminator that has only seen the generator's slips need not know what a defect is. One that has also told good
subjects from spoiled ones has features that differ where a defect is, and keeps the generator from drawing defects, so
that the closest good image stays good. The idea is that of OCR-GAN (Liang et al., arXiv 2203.00259); blobs of smooth
noise are as in DRAEM (Zavrtanik et al., arXiv 2108.07610), patches from other good images as in NSA (Schlüter et al.,
arXiv 2109.15222). No real defect is needed or used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.nn.functional import interpolate, max_pool2d

Images = Float[Tensor, "b c size size"]
Mask = Float[Tensor, "b 1 size size"]

WHOLE: Final = 0.25
"""Share of the images that are spoiled all over, as a faded or sour bean is."""
GROUND_STEP: Final = 0.08
"""A pixel belongs to the subject where a channel differs from the ground by more than this (pixels in [-1, 1])."""


def corrupt(images: Images, random: Generator) -> Images:
    """Spoil each image in one way, in blobs or all over; a few stay good by chance.

    Args:
        images: good subjects, pixels in [-1, 1].
        random: on the CPU; decides everything.
    """
    light = (images + 1) / 2  # 0 is black, 1 is white
    ways = torch.stack([way(light, random) for way in WAYS])  # (ways, b, c, size, size)
    chosen = torch.randint(len(WAYS), (len(images), 1, 1, 1), generator=random)
    whole = (_uniform(len(images), 0.0, 1.0, random) < WHOLE) & (chosen < len(OVERALL))
    where = torch.maximum(blobs(len(images), images.shape[-1], random), whole.float()).to(images) * subject(images)
    spoiled = ways[chosen.flatten().to(images.device), torch.arange(len(images), device=images.device)]
    return light.lerp(spoiled, where) * 2 - 1


def subject(images: Images) -> Mask:
    """Return 1 where an image differs from its corner, its ground, and one pixel around, so that no rim is left."""
    differs = ((images - images[:, :, :1, :1]).abs().amax(1, keepdim=True) > GROUND_STEP).float()
    return max_pool2d(differs, 3, stride=1, padding=1)


def blobs(count: int, size: int, random: Generator) -> Mask:
    """Return 1 in soft-edged blobs, 0 elsewhere: where smooth noise exceeds a level; images differ in both."""
    coarse = int(torch.randint(3, 9, (1,), generator=random))
    noise = torch.rand(count, 1, coarse, coarse, generator=random)
    noise = interpolate(noise, size=(size, size), mode="bicubic", align_corners=False)
    return torch.sigmoid((noise - _uniform(count, 0.62, 0.92, random)) * 40)


def darker(light: Images, random: Generator) -> Images:
    """Take 15 to 85 % of the light away: black beans, mould, holes."""
    return light * _uniform(len(light), 0.15, 0.85, random).to(light)


def paler(light: Images, random: Generator) -> Images:
    """Go 20 to 70 % of the way to white: faded, parchment, immature."""
    return light + (1 - light) * _uniform(len(light), 0.2, 0.7, random).to(light)


def tinted(light: Images, random: Generator) -> Images:
    """Multiply each channel by 0.75 to 1.25: sour, brown, stained."""
    count, channels = light.shape[:2]
    return (light * _uniform(count * channels, 0.75, 1.25, random).view(count, channels, 1, 1).to(light)).clamp(0, 1)


def erased(light: Images, random: Generator) -> Images:  # noqa: ARG001 - all ways take the same arguments
    """Show the ground, the colour of the corner: broken, chipped."""
    return light[:, :, :1, :1].expand_as(light)


def another(light: Images, random: Generator) -> Images:  # noqa: ARG001
    """Show another image of the batch, upside down: foreign texture, and the outlines of both where all of it shows."""
    return light.roll(1, 0).flip(2)


Way = Callable[[Images, Generator], Images]
OVERALL: Final[tuple[Way, ...]] = (darker, paler, tinted, another)
WAYS: Final[tuple[Way, ...]] = (*OVERALL, erased)
"""All ways; ``erased`` is for blobs alone, as nothing would be left otherwise."""


def _uniform(count: int, low: float, high: float, random: Generator) -> Float[Tensor, "count 1 1 1"]:
    return torch.rand(count, 1, 1, 1, generator=random) * (high - low) + low

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

WHOLE: Final = 0.4
"""Share of the images spoiled in colour that are so all over, as a faded or sour bean is."""
GROUND_STEP: Final = 0.08
"""A pixel belongs to the subject where a channel differs from the ground by more than this (pixels in [-1, 1])."""


def corrupt(images: Images, random: Generator) -> Images:
    """Spoil each image in one way, in a blob or, if its colour is spoiled, sometimes all over.

    Args:
        images: good subjects, pixels in [-1, 1].
        random: on the CPU; decides everything.
    """
    light = (images + 1) / 2  # 0 is black, 1 is white
    ways = torch.stack([way(light, random) for way in WAYS])  # (ways, b, c, size, size)
    chosen = torch.randint(len(WAYS), (len(images),), generator=random).to(images.device)
    spoiled = ways[chosen, torch.arange(len(images), device=images.device)]
    recoloured = (chosen < len(RECOLOURED))[:, None, None, None]
    whole = (_uniform(len(images), 0.0, 1.0, random) < WHOLE).to(images.device) & recoloured
    inside = subject(images)
    around = max_pool2d(inside, 3, stride=1, padding=1)  # what is painted over leaves no rim behind
    where = torch.where(whole, inside, blobs(torch.where(recoloured, inside, around), random))
    return light.lerp(spoiled, where) * 2 - 1


def subject(images: Images) -> Mask:
    """Return 1 where an image differs from the colour of its corner, its ground, and 0 elsewhere."""
    return ((images - images[:, :, :1, :1]).abs().amax(1, keepdim=True) > GROUND_STEP).float()


def blobs(within: Mask, random: Generator) -> Mask:
    """Return 1 in random soft-edged blobs, of which each image has at least one, and 0 elsewhere and outside."""
    count, _, size, _ = within.shape
    coarse = int(torch.randint(3, 9, (1,), generator=random))
    noise = torch.rand(count, 1, coarse, coarse, generator=random).to(within)
    noise = interpolate(noise, size=(size, size), mode="bicubic", align_corners=False) * within
    level = _uniform(count, 0.65, 0.95, random).to(within) * noise.amax((2, 3), keepdim=True)  # below the highest peak
    return torch.sigmoid((noise - level) * 40) * within


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
    """Show another image of the batch, upside down: foreign texture and outline."""
    return light.roll(1, 0).flip(2)


Way = Callable[[Images, Generator], Images]
RECOLOURED: Final[tuple[Way, ...]] = (darker, paler, tinted)
WAYS: Final[tuple[Way, ...]] = (*RECOLOURED, erased, another)


def _uniform(count: int, low: float, high: float, random: Generator) -> Float[Tensor, "count 1 1 1"]:
    return torch.rand(count, 1, 1, 1, generator=random) * (high - low) + low
